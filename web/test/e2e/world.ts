/**
 * The real gateway, with a log of its own for each test, a network that can be broken, and a real Chromium. What is stored
 * the tests see by reading the topics over the protocol.
 */

import { existsSync, mkdirSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { RealGateway, RealService } from "./processes";
import { Proxy } from "./proxy";
import { MOST_WAIT_MS, Stored } from "./wire";

/** web/: where ./dev and npm run the tests. */
const WEB = process.cwd();
const BROWSERS = [process.env["CHROMIUM"], "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** What a browser says by itself when there is no network, or a gateway refuses. */
const NETWORK_ERRORS = /ERR_|WebSocket connection|Failed to load resource|fetching the script/;

export interface Shape {
  width?: number;
  height?: number;
  scheme?: "light" | "dark";
  mobile?: boolean;
}

export class World {
  private readonly contexts: BrowserContext[] = [];
  private readonly toStop: (() => unknown)[] = [];
  /** Errors of the pages; a test fails that leaves any. */
  readonly errors: string[] = [];

  private constructor(
    private readonly real: RealGateway,
    readonly proxy: Proxy,
    private readonly browser: Browser,
  ) {}

  /** Runs `test` in a world of its own. @param config TOML for the gateway, beside what it has to have */
  static async run(test: (world: World) => Promise<void>, config = ""): Promise<void> {
    const gateway = await RealGateway.start(join(WEB, "dist"), config);
    const proxy = await Proxy.to(gateway.address);
    browser ??= chromium.launch(browserOptions());
    const world = new World(gateway, proxy, await browser);
    try {
      await test(world);
      if (world.errors.length > 0) {
        throw new Error(`errors of the page:\n${world.errors.join("\n")}`);
      }
    } catch (error) {
      await world.keepPictures();
      throw error;
    } finally {
      for (const stop of world.toStop) {
        await stop();
      }
      await Promise.all(world.contexts.map((context) => context.close()));
      await proxy.stop();
      await gateway.stop();
    }
  }

  /** The gateway's own address, without the network in between. */
  get gateway(): string {
    return this.real.address;
  }

  restartGateway(options: { withItsLog: boolean }): Promise<void> {
    return this.real.restart(options);
  }

  /** The real service, on what the gateway writes. */
  async startService(): Promise<void> {
    const service = await RealService.start(this.real);
    this.atEnd(() => service.stop());
  }

  /** A browser profile of its own, at the place of the ride. */
  async context(shape: Shape = {}): Promise<BrowserContext> {
    const context = await this.browser.newContext({
      viewport: { width: shape.width ?? 1280, height: shape.height ?? 860 },
      colorScheme: shape.scheme ?? "light",
      hasTouch: shape.mobile ?? false,
      isMobile: shape.mobile ?? false,
      deviceScaleFactor: shape.mobile ? 2 : 1,
      permissions: ["geolocation", "accelerometer", "gyroscope"],
      geolocation: { latitude: 52.0973, longitude: 6.6485, accuracy: 5 },
      locale: "en-GB",
    });
    context.setDefaultTimeout(MOST_WAIT_MS);
    this.contexts.push(context);
    return context;
  }

  /** A profile that stays on the disk, as that of a user does: a browser installs pages from no other. */
  async profile(): Promise<BrowserContext> {
    const folder = await mkdtemp(join(tmpdir(), "tiderace-profile-"));
    const context = await chromium.launchPersistentContext(folder, browserOptions());
    this.atEnd(async () => {
      await context.close();
      await rm(folder, { recursive: true, force: true });
    });
    context.setDefaultTimeout(MOST_WAIT_MS);
    return context;
  }

  async open(context: BrowserContext, path: string): Promise<Page> {
    const page = await context.newPage();
    page.on("pageerror", (error) => this.errors.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error" && !NETWORK_ERRORS.test(message.text())) {
        this.errors.push(message.text());
      }
    });
    await page.goto(this.proxy.address + path);
    return page;
  }

  async stored(topics: string, keys: string[]): Promise<Stored> {
    const stored = await Stored.from(this.gateway, topics, keys);
    this.atEnd(() => stored.close());
    return stored;
  }

  /** What the pages showed when a test failed. */
  private async keepPictures(): Promise<void> {
    const pages = this.contexts.flatMap((context) => context.pages());
    for (const [index, page] of pages.entries()) {
      await screenshot(page, `failed-${Date.now()}-${index}`).catch(() => undefined);
    }
  }

  atEnd(stop: () => unknown): void {
    this.toStop.push(stop);
  }
}

/** One for all tests of a file; what they see of each other's profiles is nothing. */
let browser: Promise<Browser> | null = null;

after(async () => (await browser)?.close());

function browserOptions(): { executablePath: string; args: string[] } {
  const executablePath = BROWSERS.find((path) => path !== undefined && existsSync(path));
  if (!executablePath) {
    throw new Error("no Chromium found; wanted CHROMIUM=path, or Debian's package chromium");
  }
  // WebGL without a graphics card; a window that nobody sees draws all the same.
  const args = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-dev-shm-usage"];
  return { executablePath, args };
}

export async function screenshot(page: Page, name: string): Promise<void> {
  mkdirSync(join(WEB, "test-results"), { recursive: true });
  await page.screenshot({ path: join(WEB, "test-results", `${name}.png`) });
}

/** Waits until an element shows a number of at least `least`. */
export async function untilNumber(page: Page, id: string, least: number): Promise<void> {
  const condition = ([name, wanted]: [string, number]) => Number(document.getElementById(name)?.textContent) >= wanted;
  await page.waitForFunction(condition, [id, least] as [string, number]);
}

/** Waits for the text of an element. */
export async function untilText(page: Page, id: string, pattern: RegExp, timeout = MOST_WAIT_MS): Promise<void> {
  const condition = ([name, source]: [string, string]) =>
    new RegExp(source).test(document.getElementById(name)?.textContent ?? "");
  await page.waitForFunction(condition, [id, pattern.source] as [string, string], { timeout });
}
