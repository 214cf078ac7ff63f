import assert from "node:assert/strict";
import { test } from "node:test";
import type { BrowserContext, Route } from "playwright-core";
import { accessibilityFaults } from "./accessibility";
import { Hands, SHAKEN, STILL } from "./phone_hands";
import { screenshot, untilNumber, untilText, World } from "./world";

test("a shake is in the log as the sensors said it", () =>
  World.run(async (world) => {
    const rider = "ann";
    const page = await world.open(await world.context({ width: 390, height: 844, mobile: true }), "/phone.html");
    const hands = await Hands.on(page);
    const stored = await world.stored("phone-data", [rider]);
    await hands.start(rider);
    await stored.until((rows) => rows.some(({ gForceY }) => gForceY === STILL.y), "a row at rest");
    await hands.move(SHAKEN);
    await stored.until((rows) => rows.some(({ gForceX }) => gForceX === SHAKEN.x), "a shaken row");
    await stored.until((rows) => rows.some(({ latitude }) => latitude === 52.0973), "a row with a place");
    await screenshot(page, "phone");
    const last = stored.records.at(-1);
    assert.equal(last?.key, rider);
    const row = stored.rows.find(({ gForceX, latitude }) => gForceX === SHAKEN.x && latitude !== undefined);
    assert.deepEqual({ ...row, timestamp: 0 }, {
      timestamp: 0,
      gForceX: SHAKEN.x,
      gForceY: SHAKEN.y,
      gForceZ: SHAKEN.z,
      latitude: 52.0973,
      longitude: 6.6485,
    });
    assert.ok(stored.records.every(({ timestamp, value }) => timestamp === (value as { timestamp: number }).timestamp));
  }));

/** One row for each beat: on the beat, none twice, none missing. */
function assertEveryBeat(rows: Record<string, number>[], message: string): void {
  const beats = rows.map(({ timestamp }) => Math.floor((timestamp as number) / 250)).sort((one, other) => one - other);
  const missing = beats.slice(1).filter((beat, index) => beat - (beats[index] as number) > 1);
  assert.equal(new Set(beats).size, beats.length, `${message}: a beat is there twice`);
  assert.deepEqual(missing, [], `${message}: beats are missing before these`);
}

test("offline and back, with answers lost on the way: no row is lost and none is twice", () =>
  World.run(async (world) => {
    const rider = "bob";
    const page = await world.open(await world.context(), "/phone.html");
    const hands = await Hands.on(page);
    const stored = await world.stored("phone-data", [rider]);
    await hands.start(rider);
    await stored.until((rows) => rows.length >= 3, "the first rows");
    for (let round = 0; round < 2; round += 1) {
      // What is sent now arrives, but the phone never hears that it did.
      world.proxy.loseAnswers();
      const before = stored.rows.length;
      await stored.until((rows) => rows.length >= before + 3, "rows whose answers are lost");
      world.proxy.cut();
      await untilText(page, "connection", /Offline/);
      await untilNumber(page, "waiting", 8);
      world.proxy.restore();
      await untilText(page, "connection", /Connected/);
      await untilText(page, "waiting", /^[01]$/);
    }
    const measured = await hands.stop();
    await untilText(page, "waiting", /^0$/);
    await stored.until((rows) => rows.length >= measured, `all ${measured} rows`);
    assert.equal(stored.rows.length, measured);
    assertEveryBeat(stored.rows, "after two breaks");
  }));

test("a page that is opened anew without a network keeps what waits, and sends it when the network is back", () =>
  World.run(async (world) => {
    const rider = "carl";
    const context = await world.context();
    const page = await world.open(context, "/phone.html");
    await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
    const hands = await Hands.on(page);
    const stored = await world.stored("phone-data", [rider]);
    await hands.start(rider);
    await stored.until((rows) => rows.length >= 2, "the first rows");
    await context.setOffline(true);
    world.proxy.cut();
    await untilNumber(page, "waiting", 6);
    const before = await hands.stop();
    await page.reload();
    await untilNumber(page, "waiting", 6);
    assert.equal(await page.inputValue("#rider"), rider);
    await screenshot(page, "phone-offline");
    await hands.start(rider);
    await untilNumber(page, "measured", 4);
    const after = await hands.stop();
    world.proxy.restore();
    await context.setOffline(false);
    await untilText(page, "waiting", /^0$/);
    await stored.until((rows) => rows.length >= before + after, `all ${before + after} rows`);
    assert.equal(stored.rows.length, before + after);
    assert.equal(new Set(stored.rows.map(({ timestamp }) => timestamp)).size, before + after);
  }));

test("a name that is typed before the page is ready stays", () =>
  World.run(async (world) => {
    const context = await world.context();
    await context.addInitScript(() => localStorage.setItem("tiderace.rider", "somebody"));
    const page = await context.newPage();
    const script = new Promise<Route>((resolve) => void page.route("**/phone.js", resolve));
    await page.goto(`${world.proxy.address}/phone.html`, { waitUntil: "commit" });
    await page.fill("#rider", "cleo");
    await (await script).continue();
    await untilText(page, "connection", /Not sending/);
    assert.equal(await page.inputValue("#rider"), "cleo");
  }));

test("a tab that is killed while it measures loses nothing that it had shown as waiting", () =>
  World.run(async (world) => {
    const rider = "dora";
    const context = await world.context();
    const page = await world.open(context, "/phone.html");
    const hands = await Hands.on(page);
    await hands.start(rider);
    world.proxy.cut();
    await untilNumber(page, "waiting", 5);
    const waiting = Number(await page.locator("#waiting").textContent());
    await page.close();
    world.proxy.restore();
    const stored = await world.stored("phone-data", [rider]);
    const again = await world.open(context, "/phone.html");
    await untilText(again, "waiting", /^0$/);
    await stored.until((rows) => rows.length >= waiting, `the ${waiting} rows that waited`);
    assertEveryBeat(stored.rows, "after the tab was killed");
  }));

test("of two tabs one sends; the other takes over when it is told to", () =>
  World.run(async (world) => {
    const rider = "emil";
    const context = await world.context();
    const first = await world.open(context, "/phone.html");
    const hands = await Hands.on(first);
    const stored = await world.stored("phone-data", [rider]);
    await hands.start(rider);
    await stored.until((rows) => rows.length >= 2, "rows of the first tab");
    const second = await world.open(context, "/phone.html");
    await untilText(second, "elsewhere-text", /Another tab/);
    assert.equal(await second.isDisabled("#start"), true);
    await second.click("#take");
    await untilText(first, "elsewhere-text", /has taken over/);
    const before = Number(await first.locator("#measured").textContent());
    const otherHands = await Hands.on(second);
    await otherHands.start(rider);
    await untilNumber(second, "measured", 4);
    const after = await otherHands.stop();
    await untilText(second, "waiting", /^0$/);
    await stored.until((rows) => rows.length >= before + after - 1, "rows of both tabs");
    // A row that the first tab had measured as it lost its turn was not taken into the store any more.
    assert.ok(before + after - stored.rows.length <= 1, `${stored.rows.length} of ${before} and ${after}`);
    assert.equal(new Set(stored.rows.map(({ timestamp }) => timestamp)).size, stored.rows.length);
    await second.close();
    await first.bringToFront();
    await first.waitForSelector("#elsewhere", { state: "hidden" });
  }));

test("motion is asked for in the tap itself, and a refusal says what to do", () =>
  World.run(async (world) => {
    const context = await world.context();
    await context.addInitScript(() => {
      Object.assign(DeviceMotionEvent, {
        requestPermission: () => {
          Object.assign(window, { asked: navigator.userActivation.isActive });
          return Promise.resolve("denied");
        },
      });
    });
    const page = await world.open(context, "/phone.html");
    await page.fill("#rider", "frida");
    await page.click("#start");
    await untilText(page, "trouble", /Motion is not allowed/);
    assert.equal(await page.evaluate("window.asked"), true);
    // Rows with the place alone are sent all the same.
    await untilNumber(page, "acknowledged", 1);
  }));

test("another name is another rider, and each row is its own rider's", () =>
  World.run(async (world) => {
    const [one, other] = ["gina", "hugo"];
    const page = await world.open(await world.context(), "/phone.html");
    const hands = await Hands.on(page);
    const stored = await world.stored("phone-data", [one, other]);
    world.proxy.cut();
    await hands.start(one);
    await untilNumber(page, "measured", 3);
    const first = await hands.stop();
    await hands.start(other);
    await untilNumber(page, "measured", first + 3);
    const all = await hands.stop();
    world.proxy.restore();
    await stored.until((rows) => rows.length >= all, "rows of both riders");
    const of = (rider: string) => stored.records.filter(({ key }) => key === rider).length;
    assert.deepEqual([of(one), of(other)], [first, all - first]);
  }));

/** The page measures times that are none, as long as `window.spoil` says how many more. */
async function spoilRows(context: BrowserContext): Promise<void> {
  await context.addInitScript(() => {
    const add = IDBObjectStore.prototype.add;
    const world = window as unknown as { spoil: number };
    world.spoil = 0;
    IDBObjectStore.prototype.add = function (row: { text: string }, ...rest) {
      if (this.name === "rows" && world.spoil > 0) {
        world.spoil -= 1;
        return add.call(this, { ...row, text: row.text.replace(/"timestamp":/, '"timestamp":-') }, ...rest);
      }
      return add.call(this, row, ...rest);
    };
  });
}

test("rows that the gateway refuses are shown with the reason, and do not stop the others", () =>
  World.run(async (world) => {
    const context = await world.context();
    await spoilRows(context);
    const page = await world.open(context, "/phone.html");
    const hands = await Hands.on(page);
    await hands.start("ida");
    await page.evaluate("window.spoil = 2");
    await untilText(page, "refused-why", /row 1: wanted milliseconds since 1970 for the timestamp/);
    await untilText(page, "refused-rows", /^2$/);
    const stored = Number(await page.locator("#acknowledged").textContent());
    await untilNumber(page, "acknowledged", stored + 2);
    const download = page.waitForEvent("download");
    await page.click("#refused-save");
    assert.equal((await download).suggestedFilename(), "refused-rows.ndjson");
    await page.click("#refused-clear");
    await page.waitForSelector("#refused", { state: "hidden" });
  }));

test("a refusal that the phone never hears of makes no row vanish", () =>
  World.run(async (world) => {
    const context = await world.context();
    await spoilRows(context);
    const page = await world.open(context, "/phone.html");
    const hands = await Hands.on(page);
    const stored = await world.stored("phone-data", ["ina"]);
    await hands.start("ina");
    await stored.until((rows) => rows.length >= 2, "the first rows");
    world.proxy.loseAnswers();
    await page.evaluate("window.spoil = 2");
    const before = stored.rows.length;
    // Behind those that were refused there are some that are stored, and none of them is answered.
    await stored.until((rows) => rows.length >= before + 4, "rows whose answers are lost");
    await page.waitForFunction("window.spoil === 0");
    world.proxy.cut();
    await untilText(page, "connection", /Offline/);
    world.proxy.restore();
    await untilText(page, "refused-rows", /^2$/);
    await untilText(page, "refused-why", /the gateway refused it; its reason was lost/);
    const measured = await hands.stop();
    await untilText(page, "waiting", /^0$/);
    await stored.until((rows) => rows.length >= measured - 2, `all but 2 of ${measured} rows`);
    assert.equal(stored.rows.length, measured - 2);
    await untilText(page, "acknowledged", new RegExp(`^${measured - 2}$`));
  }));

const TOKENS = `
[[tokens]]
token = "token-of-the-phones"
subject = "phones"
write = ["phone-data"]
[[tokens]]
token = "token-of-the-dashboard"
subject = "dashboard"
read = ["phone-data", "alerts"]
`;

test("a token comes with the address, is kept, and opens what is closed without it; each page has its own", () =>
  World.run(async (world) => {
    const context = await world.context();
    const page = await world.open(context, "/phone.html");
    const hands = await Hands.on(page);
    await hands.start("jo");
    await untilText(page, "trouble", /wants a token/);
    await page.goto("about:blank");
    await page.goto(`${world.proxy.address}/phone.html#token=token-of-the-phones&rider=jo`);
    assert.equal(new URL(page.url()).hash, "");
    await untilText(page, "waiting", /^0$/);
    assert.equal(await page.inputValue("#rider"), "jo");
    const dashboard = await world.open(context, "/#token=token-of-the-dashboard");
    await untilText(dashboard, "connection", /Live/);
    await page.reload();
    await untilText(page, "connection", /Connected/);
    await dashboard.reload();
    await untilText(dashboard, "connection", /Live/);
  }, TOKENS));

test("an installed page that has no token asks for one", () =>
  World.run(async (world) => {
    const page = await world.open(await world.context({ width: 390, height: 844, mobile: true }), "/phone.html");
    const hands = await Hands.on(page);
    await hands.start("kim");
    await page.waitForSelector("#token:visible");
    assert.deepEqual(await accessibilityFaults(page), []);
    await screenshot(page, "phone-token");
    await page.fill("#token", "not-the-token-at-all");
    await page.press("#token", "Enter");
    await untilText(page, "trouble", /wants a token/);
    await page.fill("#token", " token-of-the-phones ");
    await page.press("#token", "Enter");
    await untilText(page, "connection", /Connected/);
    await page.waitForSelector("#token", { state: "hidden" });
    const dashboard = await world.open(page.context(), "/");
    await untilText(dashboard, "trouble", /wants a token/);
    assert.deepEqual(await accessibilityFaults(dashboard), []);
    await screenshot(dashboard, "dashboard-token");
    await dashboard.fill("#token", "token-of-the-dashboard");
    await dashboard.press("#token", "Enter");
    await untilText(dashboard, "connection", /Live/);
    await page.reload();
    await untilText(page, "waiting", /^0$/);
  }, TOKENS));

const OTHER_TOPICS = `
[topics]
rides = { partitions = 2 }
crashes = { partitions = 2 }
phone-data = { partitions = 2 }
[pages]
in = "rides"
out = "crashes"
`;

test("rows wait until it is known which topic is theirs", () =>
  World.run(async (world) => {
    const context = await world.context();
    // The gateway could be written to, but of its topics nothing is heard.
    await context.route("**/v1/config", () => undefined);
    const page = await world.open(context, "/phone.html");
    const [right, wrong] = [await world.stored("rides", ["lou"]), await world.stored("phone-data", ["lou"])];
    const hands = await Hands.on(page);
    await hands.start("lou");
    // Longer than is waited for an answer.
    await untilNumber(page, "waiting", 20);
    await context.unroute("**/v1/config");
    await untilText(page, "connection", /Connected/);
    const measured = await hands.stop();
    await untilText(page, "waiting", /^0$/);
    await right.until((rows) => rows.length >= measured, "all rows");
    assert.deepEqual([right.rows.length, wrong.rows.length], [measured, 0]);
  }, OTHER_TOPICS));

test("where the network swallows everything at the start, what the gateway said last holds", () =>
  World.run(async (world) => {
    const context = await world.context();
    const page = await world.open(context, "/phone.html");
    await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
    const [right, wrong] = [await world.stored("rides", ["lea"]), await world.stored("phone-data", ["lea"])];
    const hands = await Hands.on(page);
    await hands.start("lea");
    await untilNumber(page, "acknowledged", 2);
    const before = await hands.stop();
    world.proxy.loseAnswers();
    world.proxy.endAll();
    await page.reload();
    await hands.start("lea");
    await untilNumber(page, "waiting", 4);
    const after = await hands.stop();
    world.proxy.restore();
    world.proxy.endAll();
    await untilText(page, "waiting", /^0$/);
    await right.until((rows) => rows.length >= before + after, "all rows");
    assert.deepEqual([right.rows.length, wrong.rows.length], [before + after, 0]);
  }, OTHER_TOPICS));

test("a double tap on Start measures each beat once", () =>
  World.run(async (world) => {
    const page = await world.open(await world.context(), "/phone.html");
    const hands = await Hands.on(page);
    const stored = await world.stored("phone-data", ["mia"]);
    await page.fill("#rider", "mia");
    await page.waitForSelector("#start:enabled");
    const disabled = await page.evaluate(() => {
      const button = document.getElementById("start") as HTMLButtonElement;
      const form = document.getElementById("rider-form") as HTMLFormElement;
      button.click();
      // The second tap of a nervous thumb, and the key "go" of a keyboard with it.
      button.click();
      form.requestSubmit();
      return button.disabled;
    });
    assert.equal(disabled, true);
    await page.waitForSelector("#stop:visible");
    await hands.move(STILL);
    await untilNumber(page, "measured", 6);
    const measured = await hands.stop();
    await stored.until((rows) => rows.length >= measured, "all rows");
    assert.equal(stored.rows.length, measured);
    assertEveryBeat(stored.rows, "after a double tap");
  }));

test("where location is refused rows go out without a place, and the page says what to do", () =>
  World.run(async (world) => {
    const context = await world.context();
    await context.clearPermissions();
    await context.grantPermissions(["accelerometer", "gyroscope"]);
    const page = await world.open(context, "/phone.html");
    const hands = await Hands.on(page);
    const stored = await world.stored("phone-data", ["nina"]);
    await hands.start("nina");
    await untilText(page, "trouble", /Location is not allowed, so rows go out without a place\. Tap the sign beside/);
    await stored.until((rows) => rows.length >= 3, "rows");
    assert.ok(stored.rows.every(({ latitude, gForceY }) => latitude === undefined && gForceY !== undefined));
    await screenshot(page, "phone-no-location");
  }));

test("a motion sensor that says nothing is said", () =>
  World.run(async (world) => {
    const page = await world.open(await world.context(), "/phone.html");
    await page.fill("#rider", "olga");
    await page.click("#start");
    await untilText(page, "trouble", /No motion comes from this device/);
    await untilNumber(page, "acknowledged", 1);
    await page.click("#stop");
    await page.waitForSelector("#trouble", { state: "hidden" });
  }));

test("a full storage is said, and what waited in memory goes into it when there is room again", () =>
  World.run(async (world) => {
    const rider = "karl";
    const context = await world.context();
    // Chromium's own quota cannot be lowered for a database that is open.
    await context.addInitScript(() => {
      const add = IDBObjectStore.prototype.add;
      IDBObjectStore.prototype.add = function (...row) {
        if ("full" in window && this.name === "rows") {
          throw new DOMException("no room", "QuotaExceededError");
        }
        return add.apply(this, row);
      };
    });
    const page = await world.open(context, "/phone.html");
    const hands = await Hands.on(page);
    const stored = await world.stored("phone-data", [rider]);
    await hands.start(rider);
    await stored.until((rows) => rows.length >= 1, "the first row");
    await page.evaluate("window.full = true");
    await untilText(page, "trouble", /storage is full/);
    await untilNumber(page, "waiting", 3);
    // Also once nothing more is measured.
    const measured = await hands.stop();
    await page.evaluate("delete window.full");
    await page.waitForSelector("#trouble", { state: "hidden" });
    await untilText(page, "waiting", /^0$/);
    await stored.until((rows) => rows.length >= measured, `all ${measured} rows`);
    assert.equal(stored.rows.length, measured);
    assertEveryBeat(stored.rows, "after the storage was full");
  }));

test("a heart-rate sensor's beats are in the rows, and not once it is silent", () =>
  World.run(async (world) => {
    const rider = "lena";
    const context = await world.context();
    // A belt that says what it is told to, by the Heart Rate Measurement's bytes.
    await context.addInitScript(() => {
      const measurement = Object.assign(new EventTarget(), {
        value: new DataView(new ArrayBuffer(2)),
        startNotifications: () => Promise.resolve(),
        oncharacteristicvaluechanged: () => undefined,
      });
      const service = { getCharacteristic: () => Promise.resolve(measurement) };
      const gatt = { connect: () => Promise.resolve({ getPrimaryService: () => Promise.resolve(service) }) };
      const belt = Object.assign(new EventTarget(), { name: "Belt", gatt });
      const bluetooth = { requestDevice: () => Promise.resolve(belt) };
      Object.defineProperty(navigator, "bluetooth", { value: bluetooth });
      const beat = (beats: number) => {
        measurement.value.setUint8(1, beats);
        measurement.oncharacteristicvaluechanged();
      };
      Object.assign(window, { beat });
    });
    const page = await world.open(context, "/phone.html");
    const hands = await Hands.on(page);
    const stored = await world.stored("phone-data", [rider]);
    await hands.start(rider);
    await page.click("#heart");
    await untilText(page, "heart", /Belt is connected/);
    await page.evaluate("window.beat(142)");
    await stored.until((rows) => rows.some(({ heartRate }) => heartRate === 142), "a row with the heart rate");
    await stored.until((rows) => rows.at(-1)?.["heartRate"] === undefined, "a row without it");
  }));
