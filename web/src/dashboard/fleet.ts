/** The riders and what is known of them, made of the records of both topics. */

import type { LogRecord } from "../wire/frames";
import { type Alert, Alerts } from "./alerts";
import { ForceRing } from "./force_ring";
import { Rate, Samples } from "./figures";
import { type Place, Track } from "./track";

/** Ten minutes at 4 Hz; two at 20 Hz. */
const FORCE_POINTS = 2400;
const TRACK_POINTS = 600;
const MOST_RIDERS = 1000;
/** A row whose time is further beyond this machine's clock than this is by a clock that is wrong. */
export const AHEAD_MS = 60_000;

export interface Rider {
  name: string;
  forces: ForceRing;
  track: Track;
  place: Place | null;
  /** The newest of each that has come, undefined before one has. */
  total?: number;
  mean?: number;
  shaking?: boolean;
  speed?: number; // m/s
  altitude?: number; // m
  heartRate?: number;
  /** Timestamps of the newest row and the newest alert, ms since 1970: an older one that comes later changes no "newest". */
  rowMs: number;
  alertMs: number;
  /** When the newest record came, by this machine's clock. */
  seenMs: number;
  /** When the last one came whose time is too far ahead, by this machine's clock. */
  aheadMs: number;
}

/** Names of fields as the phone and the service write them. */
const MEAN = "gForceTotal-10s";

export class Fleet {
  readonly riders = new Map<string, Rider>();
  readonly alerts = new Alerts();
  /** Of rows as they come from phones. */
  readonly rate = new Rate();
  /** Now minus the row's time: rows as they come from phones, and alerts. */
  readonly latencyMs = { phone: new Samples(), alert: new Samples() };
  /** Changes when a rider comes or goes. */
  membersVersion = 0;
  /** Changes when a track does. */
  tracksVersion = 0;
  /** A rider that stays however long it is silent. */
  selected: string | null = null;

  /** @param onAlert is told of each new alert */
  constructor(
    private readonly topics: { in: string; out: string },
    private readonly onAlert: (alert: Alert) => void = () => undefined,
  ) {}

  take(records: LogRecord[], nowMs: number): void {
    this.rate.add(records.filter(({ topic }) => topic === this.topics.in).length, nowMs);
    for (const record of records) {
      this.takeOne(record, nowMs);
    }
  }

  private takeOne(record: LogRecord, nowMs: number): void {
    const { value, topic, timestamp } = record;
    if (typeof value !== "object" || value === null) {
      return;
    }
    const row = value as Record<string, unknown>;
    const number = (field: string): number | undefined => {
      const found = row[field];
      return typeof found === "number" && Number.isFinite(found) ? found : undefined;
    };
    const rider = this.rider(record.key ?? "(no key)");
    rider.seenMs = nowMs;
    if (timestamp > nowMs + AHEAD_MS) {
      rider.aheadMs = nowMs;
      this.takeAhead(rider, nowMs, number("gForceTotal"), row["shaking"]);
      return;
    }
    if (timestamp >= Math.max(rider.rowMs, rider.alertMs)) {
      this.takePlace(rider, number("latitude"), number("longitude"));
      rider.speed = number("speed") ?? rider.speed;
      rider.altitude = number("altitude") ?? rider.altitude;
      rider.heartRate = number("heartRate") ?? rider.heartRate;
    }
    if (topic === this.topics.out) {
      this.latencyMs.alert.add(nowMs - timestamp);
      this.takeAlert(rider, timestamp, number("gForceTotal") ?? total(number), number(MEAN), row["shaking"]);
    } else {
      this.latencyMs.phone.add(nowMs - timestamp);
      const raw = total(number);
      if (raw !== undefined) {
        rider.forces.put(timestamp, { raw });
      }
      if (timestamp >= rider.rowMs) {
        rider.rowMs = timestamp;
        rider.total = raw ?? rider.total;
      }
    }
  }

  /**
   * A row of a clock that is wrong would stay the newest for as long as that clock is ahead, and hide all that comes after.
   * So nothing is taken of it but that somebody is being shaken: now.
   */
  private takeAhead(rider: Rider, nowMs: number, force: number | undefined, says: unknown): void {
    if (shakingOf(says)) {
      this.alertOf(rider, nowMs, force);
    }
  }

  private takeAlert(rider: Rider, timeMs: number, raw?: number, mean?: number, says?: unknown): void {
    const shaking = shakingOf(says);
    if (timeMs >= rider.alertMs) {
      rider.alertMs = timeMs;
      rider.mean = mean ?? rider.mean;
      rider.shaking = shaking ?? rider.shaking;
    }
    rider.forces.put(timeMs, { raw, mean, shaking: shaking === undefined ? undefined : Number(shaking) });
    if (shaking) {
      this.alertOf(rider, timeMs, raw);
    }
  }

  private alertOf(rider: Rider, timeMs: number, force = 0): void {
    const alert = this.alerts.shaken(rider.name, timeMs, force, rider.place);
    if (alert) {
      this.onAlert(alert);
    }
  }

  private takePlace(rider: Rider, latitude: number | undefined, longitude: number | undefined): void {
    if (latitude === undefined || longitude === undefined) {
      return;
    }
    if (Math.abs(latitude) > 90 || Math.abs(longitude) > 180) {
      return;
    }
    rider.place = { latitude, longitude };
    if (rider.track.add(rider.place)) {
      this.tracksVersion += 1;
    }
  }

  private rider(name: string): Rider {
    let found = this.riders.get(name);
    if (!found) {
      found = {
        name,
        forces: new ForceRing(FORCE_POINTS),
        track: new Track(TRACK_POINTS),
        place: null,
        rowMs: 0,
        alertMs: 0,
        seenMs: 0,
        aheadMs: -Infinity,
      };
      this.riders.set(name, found);
      this.membersVersion += 1;
      this.forgetOne();
    }
    return found;
  }

  /** Of too many, the one that has been silent the longest leaves. */
  private forgetOne(): void {
    if (this.riders.size <= MOST_RIDERS) {
      return;
    }
    let oldest: Rider | null = null;
    for (const rider of this.riders.values()) {
      if (rider.seenMs > 0 && rider.name !== this.selected && (!oldest || rider.seenMs < oldest.seenMs)) {
        oldest = rider;
      }
    }
    if (oldest) {
      this.riders.delete(oldest.name);
      this.alerts.forget(oldest.name);
    }
  }
}

/** Undefined where a row says nothing of it. */
function shakingOf(says: unknown): boolean | undefined {
  return typeof says === "boolean" || typeof says === "number" ? Number(says) >= 0.5 : undefined;
}

function total(number: (field: string) => number | undefined): number | undefined {
  const [x, y, z] = [number("gForceX"), number("gForceY"), number("gForceZ")];
  if (x === undefined || y === undefined || z === undefined) {
    return undefined;
  }
  return Math.abs(x) + Math.abs(y) + Math.abs(z);
}
