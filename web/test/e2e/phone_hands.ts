/** The phone in somebody's hands: its sensors, and what is tapped. */

import type { CDPSession, Page } from "playwright-core";
import { untilText } from "./world";

export const STILL = { x: 0.2, y: 9.8, z: 0.3 };
export const SHAKEN = { x: 14.5, y: 22.3, z: 9.5 };

/** Chromium's motion sensors say what a test wants: the page gets real `devicemotion` events. */
export class Hands {
  private constructor(
    private readonly page: Page,
    private readonly devtools: CDPSession,
  ) {}

  static async on(page: Page): Promise<Hands> {
    const devtools = await page.context().newCDPSession(page);
    for (const type of ["accelerometer", "linear-acceleration", "gyroscope"] as const) {
      await devtools.send("Emulation.setSensorOverrideEnabled", {
        enabled: true,
        type,
        metadata: { available: true, minimumFrequency: 1, maximumFrequency: 60 },
      });
    }
    return new Hands(page, devtools);
  }

  async move(force: { x: number; y: number; z: number }): Promise<void> {
    for (const type of ["accelerometer", "linear-acceleration", "gyroscope"] as const) {
      const xyz = type === "accelerometer" ? force : { x: 0, y: 0, z: 0 };
      await this.devtools.send("Emulation.setSensorOverrideReadings", { type, reading: { xyz } });
    }
  }

  /** Types the rider's name and starts. */
  async start(rider: string): Promise<void> {
    await this.page.fill("#rider", rider);
    await this.page.click("#start");
    // Chromium forgets what was set before the page listened.
    await this.page.waitForSelector("#stop:visible");
    await this.move(STILL);
    await untilText(this.page, "total", /^\d/);
  }

  /** Stops measuring; returns how many rows this page has measured. */
  async stop(): Promise<number> {
    await this.page.click("#stop");
    return Number(await this.page.locator("#measured").textContent());
  }
}
