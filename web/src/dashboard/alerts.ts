/** Rows that say "shaking" become alerts: one for as long as a rider is being shaken, not one a row. */

import type { Place } from "./track";

export interface Alert {
  number: number;
  rider: string;
  beginMs: number;
  /** The last row of it. */
  endMs: number;
  peak: number; // of the total force, m/s²
  place: Place | null;
}

/** Without a row that says so for as long, the shaking is over; the next one is another alert. */
export const QUIET_MS = 3000;

export class Alerts {
  /** In the order in which they began. */
  readonly all: Alert[] = [];
  /** Alerts since the page was opened, also those that have left the list. */
  total = 0;
  private readonly current = new Map<string, Alert>();

  constructor(private readonly capacity = 100) {}

  /** A row that says that the rider is being shaken. Returns the alert if it is a new one. */
  shaken(rider: string, timeMs: number, force: number, place: Place | null): Alert | null {
    const known = this.current.get(rider);
    if (known && timeMs <= known.endMs + QUIET_MS) {
      known.endMs = Math.max(known.endMs, timeMs);
      known.peak = Math.max(known.peak, force);
      known.place ??= place;
      return null;
    }
    this.total += 1;
    const alert = { number: this.total, rider, beginMs: timeMs, endMs: timeMs, peak: force, place };
    this.current.set(rider, alert);
    let at = this.all.length;
    while (at > 0 && (this.all[at - 1] as Alert).beginMs > timeMs) {
      at -= 1;
    }
    this.all.splice(at, 0, alert);
    if (this.all.length > this.capacity) {
      const left = this.all.shift();
      if (left && this.current.get(left.rider) === left) {
        this.current.delete(left.rider);
      }
    }
    return alert;
  }
}
