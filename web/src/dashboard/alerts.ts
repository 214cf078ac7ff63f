/** Rows that say "shaking" become alerts: one for as long as a rider is being shaken, not one a row. */

import type { Place } from "./track";

export interface Alert {
  number: number;
  rider: string;
  /** The first row of it. */
  beginMs: number;
  /** The last. */
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
  /** The one that each rider's last row belonged to; it may have been too old for the list. */
  private readonly latest = new Map<string, Alert>();

  constructor(private readonly capacity = 100) {}

  /**
   * A row that says that the rider is being shaken; rows may come in any order. Returns the alert if it is a new one.
   */
  shaken(rider: string, timeMs: number, force: number, place: Place | null): Alert | null {
    const known = this.alertAt(rider, timeMs);
    if (known) {
      known.endMs = Math.max(known.endMs, timeMs);
      known.peak = Math.max(known.peak, force);
      known.place ??= place;
      this.latest.set(rider, known);
      this.beginAt(known, Math.min(known.beginMs, timeMs));
      return null;
    }
    this.total += 1;
    const alert = { number: this.total, rider, beginMs: timeMs, endMs: timeMs, peak: force, place };
    this.latest.set(rider, alert);
    this.insert(alert);
    const left = this.all.length > this.capacity ? this.all.shift() : undefined;
    // One that is too old for the list itself stays known, or each of its rows would be another.
    if (left && left !== alert && this.latest.get(left.rider) === left) {
      this.latest.delete(left.rider);
    }
    return alert;
  }

  /** The rider is not followed any more; what is listed of it stays. */
  forget(rider: string): void {
    this.latest.delete(rider);
  }

  private alertAt(rider: string, timeMs: number): Alert | undefined {
    const holds = ({ beginMs, endMs }: Alert) => beginMs - QUIET_MS <= timeMs && timeMs <= endMs + QUIET_MS;
    const latest = this.latest.get(rider);
    return latest && holds(latest) ? latest : this.all.find((alert) => alert.rider === rider && holds(alert));
  }

  private beginAt(alert: Alert, beginMs: number): void {
    const at = beginMs < alert.beginMs ? this.all.indexOf(alert) : -1;
    alert.beginMs = beginMs;
    if (at >= 0) {
      this.all.splice(at, 1);
      this.insert(alert);
    }
  }

  private insert(alert: Alert): void {
    let at = this.all.length;
    while (at > 0 && (this.all[at - 1] as Alert).beginMs > alert.beginMs) {
      at -= 1;
    }
    this.all.splice(at, 0, alert);
  }
}
