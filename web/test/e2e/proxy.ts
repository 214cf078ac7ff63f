/** A network between browser and gateway that a test can break, whichever gateway it is. */

import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

export class Proxy {
  private readonly pairs = new Set<{ browser: Socket; gateway: Socket }>();
  private readonly server: Server;
  private cutOff = false;
  private deafFrom = false;

  private constructor(private readonly gateway: URL) {
    this.server = createServer((browser) => this.accept(browser));
  }

  static async to(gateway: string): Promise<Proxy> {
    const proxy = new Proxy(new URL(gateway));
    await new Promise<void>((resolve) => proxy.server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get address(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Every connection ends, and none is made. */
  cut(): void {
    this.cutOff = true;
    this.endAll();
  }

  restore(): void {
    this.cutOff = this.deafFrom = false;
  }

  /** What the gateway says is thrown away, while what the browser says still arrives: its answers are lost. */
  loseAnswers(): void {
    this.deafFrom = true;
  }

  /** Every connection ends; new ones are made. */
  endAll(): void {
    this.pairs.forEach(({ browser, gateway }) => {
      browser.destroy();
      gateway.destroy();
    });
  }

  /** The browser takes nothing that the gateway says, until `resume`. */
  pause(): void {
    this.pairs.forEach(({ gateway }) => gateway.pause());
  }

  resume(): void {
    this.pairs.forEach(({ gateway }) => gateway.resume());
  }

  async stop(): Promise<void> {
    this.endAll();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private accept(browser: Socket): void {
    if (this.cutOff) {
      browser.destroy();
      return;
    }
    const gateway = connect(Number(this.gateway.port), this.gateway.hostname);
    const pair = { browser, gateway };
    this.pairs.add(pair);
    browser.on("data", (bytes) => {
      if (!gateway.write(bytes)) {
        browser.pause();
        gateway.once("drain", () => browser.resume());
      }
    });
    gateway.on("data", (bytes) => {
      if (!this.deafFrom && !browser.write(bytes)) {
        gateway.pause();
        browser.once("drain", () => gateway.resume());
      }
    });
    for (const [one, other] of [
      [browser, gateway],
      [gateway, browser],
    ] as const) {
      one.on("error", () => undefined);
      one.on("close", () => {
        other.destroy();
        this.pairs.delete(pair);
      });
    }
  }
}
