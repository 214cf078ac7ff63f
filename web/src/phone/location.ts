/** Where the phone is. */

import { howToAllow } from "./permission";

export interface Fix {
  coords: Pick<GeolocationCoordinates, "latitude" | "longitude" | "altitude" | "speed">;
  /** When it came, by this page's clock: a fix's own time may be by another one, as that of the satellites. */
  atMs: number;
}

export class PhoneLocation {
  latest: Fix | null = null;
  /** Why there is none, or null. */
  trouble: string | null = null;
  private watch: number | null = null;

  constructor(private readonly onChange: () => void) {}

  /** The browser asks the user. Rows without a place are sent all the same. */
  start(): void {
    if (!("geolocation" in navigator)) {
      this.trouble = "This browser knows no location.";
      this.onChange();
      return;
    }
    this.watch = navigator.geolocation.watchPosition(
      ({ coords }) => {
        this.latest = { coords, atMs: Date.now() };
        this.trouble = null;
        this.onChange();
      },
      (error) => {
        this.trouble =
          error.code === error.PERMISSION_DENIED
            ? `Location is not allowed, so rows go out without a place. ${howToAllow("location")}`
            : "No location yet; the phone has to see the sky.";
        this.onChange();
      },
      { enableHighAccuracy: true, maximumAge: 1000, timeout: 30_000 },
    );
  }

  stop(): void {
    if (this.watch !== null) {
      navigator.geolocation.clearWatch(this.watch);
    }
    this.watch = this.latest = this.trouble = null;
  }
}
