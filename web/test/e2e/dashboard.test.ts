import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { loadavg } from "node:os";
import { test } from "node:test";
import type { Page } from "playwright-core";
import { accessibilityFaults } from "./accessibility";
import { Crowd } from "./crowd";
import { Hands, SHAKEN, STILL } from "./phone_hands";
import { Writer } from "./wire";
import { screenshot, type Shape, untilNumber, untilText, World } from "./world";

/** The dashboard over a crowd that has been riding for so many seconds; it sees nobody else. */
async function withCrowd(world: World, size: number, shape: Shape = {}, seconds = 30): Promise<{ page: Page; crowd: Crowd }> {
  const crowd = await Crowd.of(size, "rider-", world.gateway);
  world.atEnd(() => crowd.stop());
  await crowd.past(seconds);
  const page = await world.open(await world.context(shape), `/?from=earliest&key=${crowd.names.join(",")}`);
  await untilText(page, "connection", /Live/);
  crowd.start();
  await untilNumber(page, "figure-riders", size);
  return { page, crowd };
}

/** The map has drawn all that it was given. */
async function untilDrawn(page: Page): Promise<void> {
  await page.waitForSelector("#map[data-state='drawn']");
}

test("a shake of the phone is an alert on the dashboard within a second", () =>
  World.run(async (world) => {
    const rider = "ann";
    await world.startService();
    const phone = await world.open(await world.context({ width: 390, height: 844 }), "/phone.html");
    const dashboard = await world.open(await world.context(), `/?key=${rider}`);
    await untilText(dashboard, "connection", /Live/);
    const hands = await Hands.on(phone);
    await hands.start(rider);
    await untilText(dashboard, "chosen-mean", /^\d/);
    assert.match((await dashboard.locator("#chosen-shaking").textContent()) ?? "", /no/);
    await dashboard.evaluate(() => {
      new MutationObserver(() => Object.assign(window, { alertMs: Date.now() })).observe(
        document.getElementById("alerts") as HTMLElement,
        { childList: true },
      );
    });
    const tookMs: number[] = [];
    for (let shake = 1; shake <= 3; shake += 1) {
      const shakenMs = Date.now();
      await hands.move(SHAKEN);
      await untilText(dashboard, "alert-count", new RegExp(`${shake}`));
      tookMs.push((await dashboard.evaluate<number>("window.alertMs")) - shakenMs);
      await untilText(dashboard, "chosen-shaking", /yes/);
      await hands.move(STILL);
      await untilText(dashboard, "chosen-shaking", /no/);
      await dashboard.waitForSelector("#alerts li:first-child[data-state='over']");
    }
    console.log(`from the shake to the alert on the page: ${tookMs.join(", ")} ms`);
    const load = loadavg()[0]?.toFixed(1);
    assert.ok(tookMs.every((took) => took < 1000), `${tookMs.join(", ")} ms, on a machine with a load of ${load}`);
    await untilText(dashboard, "announcement", new RegExp(`Alert: ${rider} shaken`));
    await untilText(dashboard, "alerts", /peak 46 m\/s² · \d+ s/);
    await untilDrawn(dashboard);
    await screenshot(dashboard, "alert");
  }));

test("what came while the connection was broken is there when it is back", () =>
  World.run(async (world) => {
    const rider = "bob";
    const alerts = await Writer.to(world.gateway, "alerts");
    world.atEnd(() => alerts.close());
    const page = await world.open(await world.context(), `/?key=${rider}`);
    await untilText(page, "connection", /Live/);
    world.proxy.cut();
    await untilText(page, "connection", /Not connected/);
    await alerts.write([{ rider, timestamp: Date.now(), gForceTotal: 31, "gForceTotal-10s": 12, shaking: 1 }]);
    world.proxy.restore();
    await untilText(page, "alerts", /peak 31/);
    world.proxy.cut();
    await untilText(page, "connection", /Not connected/);
    world.proxy.restore();
    await untilText(page, "connection", /Live/);
    await alerts.write([{ rider, timestamp: Date.now() + 10_000, gForceTotal: 32, "gForceTotal-10s": 12, shaking: 1 }]);
    await untilText(page, "alerts", /peak 32/);
    // And nothing came twice.
    assert.equal(await page.locator("#alerts li").count(), 2);
    await untilDrawn(page);
    await screenshot(page, "world");
  }));

test("a log that was made anew is said, and what comes then is shown", () =>
  World.run(async (world) => {
    const before = await Writer.to(world.gateway, "alerts");
    const alert = (peak: number) => ({ rider: "dan", timestamp: Date.now(), gForceTotal: peak, shaking: 1 });
    const page = await world.open(await world.context(), "/?key=dan");
    await untilText(page, "connection", /Live/);
    await before.write([alert(31)]);
    await untilText(page, "alerts", /peak 31/);
    before.close();
    await world.restartGateway({ withItsLog: false });
    await untilText(page, "connection", /Live/);
    await page.waitForSelector("#other-log:visible");
    const after = await Writer.to(world.gateway, "alerts");
    world.atEnd(() => after.close());
    await after.write([{ ...alert(35), timestamp: Date.now() + 10_000 }]);
    await untilText(page, "alerts", /peak 35/);
  }));

test("what the gateway says of a topic that it does not have is shown as it is", () =>
  World.run(
    async (world) => {
      const page = await world.open(await world.context(), "/");
      await untilText(page, "trouble", /The gateway refuses: there is no topic "alerts" here/);
      world.proxy.cut();
      await untilText(page, "trouble", /^No connection\.$/);
    },
    "[topics]\nphone-data = {}\n",
  ));

test("positions that are too long for an address are said to be so", () =>
  World.run(async (world) => {
    const context = await world.context();
    const positions = Array.from({ length: 5000 }, (_, partition) => `alerts:${partition}:0`).join(",");
    await context.addInitScript((from) => history.replaceState(null, "", `?from=${from}`), positions);
    const page = await world.open(context, "/");
    await untilText(page, "trouble", /The gateway refuses: These topics have more partitions than fit into an address/);
  }));

test("a map that is moved by whoever looks at it follows nobody", () =>
  World.run(async (world) => {
    const { page } = await withCrowd(world, 3, {}, 115);
    await untilDrawn(page);
    await page.waitForSelector("#alerts li");
    const followed = () => page.isChecked("#follow");
    const again = async () => {
      await page.check("#follow");
      assert.equal(await followed(), true);
    };
    const ended = () => page.waitForFunction(() => !(document.getElementById("follow") as HTMLInputElement).checked);
    assert.equal(await followed(), true);
    await page.click(".maplibregl-ctrl-zoom-in");
    await ended();
    await again();
    await page.focus(".maplibregl-canvas");
    await page.keyboard.press("ArrowRight");
    await ended();
    await again();
    await page.click("#alerts li:last-child button");
    await ended();
  }));

test("200 riders at 4 Hz: all are shown, and the page keeps up", () =>
  World.run(async (world) => {
    const { page } = await withCrowd(world, 200);
    assert.equal(await page.locator("#conflated:visible, #skipped:visible").count(), 0);
    assert.equal(await page.locator("#riders input").count(), 200);
    // The service's rows are none of the phones'.
    await page.waitForFunction(() => {
      const rate = Number(document.getElementById("figure-rate")?.textContent);
      return rate >= 700 && rate <= 1000;
    });
    await untilText(page, "latency-alert", /^\d{1,3} ms$/);
    await untilDrawn(page);
    const sample = await page.evaluate(
      () =>
        new Promise<{ frames: number; longestMs: number }>((resolve) => {
          const [begunMs, seen] = [performance.now(), { frames: 0, longestMs: 0 }];
          let lastMs = begunMs;
          const frame = (nowMs: number) => {
            seen.frames += 1;
            seen.longestMs = Math.max(seen.longestMs, nowMs - lastMs);
            lastMs = nowMs;
            nowMs - begunMs < 3000 ? requestAnimationFrame(frame) : resolve(seen);
          };
          requestAnimationFrame(frame);
        }),
    );
    console.log(`${sample.frames} frames in 3 s, the longest ${sample.longestMs.toFixed(0)} ms`);
    assert.ok(sample.frames >= 8 && sample.longestMs < 1500, JSON.stringify(sample));
    await screenshot(page, "crowd");
  }));

for (const scheme of ["light", "dark"] as const) {
  test(`it can be read and used by everybody, ${scheme}`, () =>
    World.run(async (world) => {
      const { page } = await withCrowd(world, 12, { scheme }, 115);
      await page.waitForSelector("#alerts li");
      await untilDrawn(page);
      assert.deepEqual(await accessibilityFaults(page), []);
      const background = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      const lightness = background.match(/\d+/g)?.map(Number).reduce((sum, part) => sum + part, 0) ?? 0;
      assert.equal(lightness < 3 * 128, scheme === "dark", background);
      await untilText(page, "latency-alert-99", /^\d+ ms$/);
      await page.click("#show-all");
      await page.waitForSelector("#map[data-moved='all']");
      await untilDrawn(page);
      await screenshot(page, `dashboard-${scheme}`);
      const phone = await world.open(await world.context({ scheme, width: 390, height: 844, mobile: true }), "/phone.html");
      await untilText(phone, "connection", /Not sending/);
      assert.deepEqual(await accessibilityFaults(phone), []);
      await screenshot(phone, `phone-${scheme}`);
    }));
}

test("the scheme may change while it runs", () =>
  World.run(async (world) => {
    const { page } = await withCrowd(world, 3);
    await untilDrawn(page);
    await page.emulateMedia({ colorScheme: "dark" });
    await page.waitForSelector("#map[data-scheme='dark'][data-state='drawn']");
    await screenshot(page, "scheme-changed");
  }));

test("it can be used with the keyboard alone", () =>
  World.run(async (world) => {
    const { page, crowd } = await withCrowd(world, 5);
    await page.waitForSelector("#alerts li");
    const focused = () => page.evaluate(() => document.activeElement?.id || document.activeElement?.className);
    await page.keyboard.press("Tab");
    assert.equal(await focused(), "skip");
    await page.keyboard.press("Tab");
    assert.equal(await focused(), "follow");
    await page.keyboard.press("Tab");
    assert.equal(await focused(), "show-all");
    await page.focus("#rider-search");
    await page.keyboard.press("Tab");
    const chosen = crowd.names.indexOf((await page.locator("#chosen-name").textContent()) ?? "");
    await page.keyboard.press("ArrowDown");
    await untilText(page, "chosen-name", new RegExp(`${crowd.names[(chosen + 1) % 5]}$`));
    await page.focus("#rider-search");
    await page.keyboard.type("-004");
    await page.waitForFunction(() => document.querySelectorAll("#riders label:not([hidden])").length === 1);
    await page.focus("#alerts button");
    const rider = await page.locator("#alerts li:first-child strong").textContent();
    await page.focus("#alerts li:first-child button");
    await page.keyboard.press("Enter");
    await untilText(page, "chosen-name", new RegExp(`${rider}$`));
  }));

test("on a phone nothing is wider than the screen", () =>
  World.run(async (world) => {
    const { page } = await withCrowd(world, 5, { width: 360, height: 780, mobile: true });
    await page.waitForSelector("#alerts li");
    await untilDrawn(page);
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= 360, `${width} px`);
    await page.screenshot({ path: "test-results/dashboard-phone.png", fullPage: true });
  }));

test("a device that does not follow is told that it sees the newest rows only", () =>
  World.run(async (world) => {
    const rider = "carl";
    const rows = await Writer.to(world.gateway, "phone-data");
    world.atEnd(() => rows.close());
    const page = await world.open(await world.context(), `/?key=${rider}`);
    await untilText(page, "connection", /Live/);
    world.proxy.pause();
    // More than what sockets on the way hold, so that it waits in the gateway.
    const padding = randomBytes(3000).toString("base64"); // nothing that compression makes small
    for (let message = 0; message < 100; message += 1) {
      const timestamp = Date.now();
      const batch = Array.from({ length: 25 }, (_, row) => ({ rider, timestamp: timestamp + row, gForceX: 1, padding }));
      await rows.write(batch);
    }
    world.proxy.resume();
    await page.waitForSelector("#conflated:visible, #skipped:visible");
    await screenshot(page, "conflated");
  }));
