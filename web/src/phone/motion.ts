/** The phone's acceleration, gravity included, as `devicemotion` gives it. */

import { type Clock, WALL_CLOCK } from "../wire/socket";
import { howToAllow } from "./permission";

export interface Force {
  x: number; // m/s²
  y: number;
  z: number;
  atMs: number;
}

/** iOS asks the user, and only if it is asked to from a tap; most others just give it. */
interface AsksForPermission {
  requestPermission?: () => Promise<"granted" | "denied" | "default">;
}

/** A sensor that is there says something many times a second; one that is blocked may say nothing at all, with no error. */
const SILENT_MS = 3000;

export class Motion {
  latest: Force | null = null;
  /** Why there is none though it was allowed, or null. */
  trouble: string | null = null;
  private cancelWatch: () => void = () => undefined;
  private readonly take = (event: DeviceMotionEvent) => {
    const found = event.accelerationIncludingGravity;
    if (found && found.x !== null && found.y !== null && found.z !== null) {
      this.latest = { x: found.x, y: found.y, z: found.z, atMs: Date.now() };
      this.trouble = null;
    }
  };

  constructor(private readonly clock: Clock = WALL_CLOCK) {}

  /** Call it first thing in the handler of a tap. @throws Error that says what to do where it is not allowed */
  async start(): Promise<void> {
    if (!window.isSecureContext) {
      throw new Error("Browsers give motion to pages over HTTPS only: open this page by its https:// address.");
    }
    if (typeof DeviceMotionEvent === "undefined") {
      throw new Error("This browser knows no motion sensor.");
    }
    const asks = DeviceMotionEvent as unknown as AsksForPermission;
    if (asks.requestPermission && (await asks.requestPermission()) !== "granted") {
      throw new Error(`Motion is not allowed. ${howToAllow("motion")}`);
    }
    window.addEventListener("devicemotion", this.take);
    this.cancelWatch = this.clock.after(SILENT_MS, () => {
      if (!this.latest) {
        const why = "No motion comes from this device: it has no sensor, or the browser blocks it.";
        this.trouble = `${why} ${howToAllow("motion")}`;
      }
    });
  }

  stop(): void {
    window.removeEventListener("devicemotion", this.take);
    this.cancelWatch();
    this.latest = this.trouble = null;
  }
}
