/** The phone's acceleration, gravity included, as `devicemotion` gives it. */

export interface Force {
  x: number; // m/s²
  y: number;
  z: number;
  atMs: number;
}

/** iOS asks the user, and only if it is asked to from a tap; other systems just give it. */
interface AsksForPermission {
  requestPermission?: () => Promise<"granted" | "denied" | "default">;
}

export class Motion {
  latest: Force | null = null;
  private readonly take = (event: DeviceMotionEvent) => {
    const found = event.accelerationIncludingGravity;
    if (found && found.x !== null && found.y !== null && found.z !== null) {
      this.latest = { x: found.x, y: found.y, z: found.z, atMs: Date.now() };
    }
  };

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
      throw new Error("Motion is not allowed. Close this page in the browser, open it again, and allow motion.");
    }
    window.addEventListener("devicemotion", this.take);
  }

  stop(): void {
    window.removeEventListener("devicemotion", this.take);
    this.latest = null;
  }
}
