/** What the gateway's files are to a browser: a page that can be installed, its policy, and tiles from elsewhere. */

import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import type { Page } from "playwright-core";
import { untilText, World } from "./world";

interface Manifest {
  name: string;
  start_url: string;
  icons: { src: string; type: string; sizes: string }[];
}

test("the phone page can be installed: its manifest has no faults, and its icons are what it says", () =>
  World.run(async (world) => {
    const page = await world.open(await world.profile(), "/phone.html");
    const devtools = await page.context().newCDPSession(page);
    const { url, errors, data } = await devtools.send("Page.getAppManifest");
    assert.equal(url, `${world.proxy.address}/manifest.webmanifest`);
    assert.deepEqual(errors, []);
    assert.equal((await page.request.get(url)).headers()["content-type"], "application/manifest+json");
    const { start_url: start, icons } = JSON.parse(data ?? "null") as Manifest;
    assert.equal(start, "/phone.html");
    assert.equal(icons.length, 3);
    for (const { src, type, sizes } of icons) {
      const icon = await page.request.get(new URL(src, url).href);
      assert.deepEqual([icon.status(), icon.headers()["content-type"]], [200, type], src);
      const width = await page.evaluate(async (address) => {
        const image = Object.assign(new Image(), { src: address });
        await image.decode();
        return image.naturalWidth;
      }, src);
      assert.ok(sizes === "any" || sizes === `${width}x${width}`, `${src} is ${width} wide, not ${sizes}`);
    }
    const { installabilityErrors } = await devtools.send("Page.getInstallabilityErrors");
    assert.deepEqual(installabilityErrors, []);
  }));

/** One pixel of pure magenta, which nothing of the page is. */
const MAGENTA = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z/AfAAQAAf8iCjrwAAAAAElFTkSuQmCC";

/** A server of tiles, and what it was asked for. */
class Tiles {
  readonly asked: string[] = [];
  private readonly server = createServer((request, response) => {
    this.asked.push(request.url ?? "");
    response.setHeader("Access-Control-Allow-Origin", "*");
    response.setHeader("Content-Type", "image/png");
    response.end(Buffer.from(MAGENTA, "base64"));
  });

  static async start(): Promise<Tiles> {
    const tiles = new Tiles();
    await new Promise<void>((resolve) => tiles.server.listen(0, "127.0.0.1", resolve));
    return tiles;
  }

  get address(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  stop(): Promise<unknown> {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(resolve));
  }
}

/** Where a page asks for anything, from now on. */
function hostsAsked(page: Page): Set<string> {
  const hosts = new Set<string>();
  page.on("request", (request) => hosts.add(new URL(request.url()).origin));
  return hosts;
}

/** Which part of the map shows magenta. */
async function magentaPart(page: Page): Promise<number> {
  const picture = (await page.locator("#map").screenshot()).toString("base64");
  return page.evaluate(async (base64) => {
    const image = Object.assign(new Image(), { src: `data:image/png;base64,${base64}` });
    await image.decode();
    const canvas = new OffscreenCanvas(image.width, image.height);
    const context = canvas.getContext("2d") as OffscreenCanvasRenderingContext2D;
    context.drawImage(image, 0, 0);
    const { data } = context.getImageData(0, 0, image.width, image.height);
    let found = 0;
    for (let at = 0; at < data.length; at += 4) {
      found += data[at] === 255 && data[at + 1] === 0 && data[at + 2] === 255 ? 1 : 0;
    }
    return (found * 4) / data.length;
  }, picture);
}

/** Whether the page's own policy lets it ask there. */
function mayAsk(page: Page, address: string): Promise<boolean> {
  return page.evaluate(
    (url) =>
      new Promise<boolean>((resolve) => {
        document.addEventListener("securitypolicyviolation", () => resolve(false), { once: true });
        void fetch(url).then(() => resolve(true), () => undefined);
      }),
    address,
  );
}

async function policyOf(page: Page): Promise<string> {
  return (await page.request.get(page.url())).headers()["content-security-policy"] ?? "";
}

test("tiles are asked for where tile_url says, come, and are seen; and nobody else is asked", async () => {
  const [tiles, others] = [await Tiles.start(), await Tiles.start()];
  try {
    await World.run(
      async (world) => {
        const page = await (await world.context()).newPage();
        const hosts = hostsAsked(page);
        await page.goto(world.proxy.address);
        await untilText(page, "connection", /Live/);
        await page.waitForSelector("#map[data-state='drawn']");
        assert.match(tiles.asked[0] ?? "", /^\/tiles\/\d+\/\d+\/\d+\.png$/);
        assert.ok((await magentaPart(page)) > 0.5);
        assert.deepEqual([...hosts].sort(), [tiles.address, world.proxy.address].sort());
        assert.equal((await policyOf(page)).split(tiles.address).length, 3); // pictures and what is fetched
        assert.deepEqual([await mayAsk(page, tiles.address), await mayAsk(page, others.address)], [true, false]);
        assert.deepEqual(others.asked, []);
      },
      `[pages]\ntile_url = "${tiles.address}/tiles/{z}/{x}/{y}.png"\n`,
    );
  } finally {
    await Promise.all([tiles.stop(), others.stop()]);
  }
});

test("without tiles no page asks anybody but its gateway, and its policy lets it ask nobody else", async () => {
  const others = await Tiles.start();
  try {
    await World.run(async (world) => {
      const context = await world.context();
      for (const [path, shows] of [["/", /Live/], ["/phone.html", /Not sending/]] as const) {
        const page = await context.newPage();
        const hosts = hostsAsked(page);
        await page.goto(world.proxy.address + path);
        await untilText(page, "connection", shows);
        await (path === "/" ? page.waitForSelector("#map[data-state='drawn']") : undefined);
        assert.deepEqual([...hosts], [world.proxy.address]);
        const policy = /^default-src 'self'; img-src 'self' data: blob:; worker-src 'self'; connect-src 'self';/;
        assert.match(await policyOf(page), policy);
        assert.equal(await mayAsk(page, others.address), false);
      }
      assert.deepEqual(others.asked, []);
    });
  } finally {
    await others.stop();
  }
});
