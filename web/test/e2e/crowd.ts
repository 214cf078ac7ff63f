/** Many riders on the ride and with the motions of examples/crash_detection, each at another place of them. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Writer } from "./wire";

const DATA = join(process.cwd(), "../examples/crash_detection/data");
const PERIOD_MS = 250;
const GRAVITY = 9.81;
const WINDOW = 40;
const SHAKING = 24;

type Line = Record<string, string>;

function readCsv(name: string): Line[] {
  const [head, ...lines] = readFileSync(join(DATA, name), "utf8").trim().split("\n");
  const names = (head as string).trim().split(",");
  return lines.map((line) => Object.fromEntries(line.trim().split(",").map((value, index) => [names[index], value])));
}

export class Crowd {
  readonly names: string[];
  private readonly ride = readCsv("ride.csv");
  private readonly motions = readCsv("motions.csv");
  private readonly totals: number[][];
  private timer: ReturnType<typeof setInterval> | undefined;
  private beat = 0;

  private constructor(
    size: number,
    prefix: string,
    private readonly rows: Writer,
    private readonly alerts: Writer,
  ) {
    this.names = Array.from({ length: size }, (_, rider) => `${prefix}${String(rider + 1).padStart(3, "0")}`);
    this.totals = this.names.map(() => []);
  }

  static async of(size: number, prefix: string, gateway: string): Promise<Crowd> {
    return new Crowd(size, prefix, await Writer.to(gateway, "phone-data"), await Writer.to(gateway, "alerts"));
  }

  /** Rides in real time, four rows a second of each. */
  start(): void {
    this.timer = setInterval(() => void this.send(Date.now()).catch(() => this.stop()), PERIOD_MS);
  }

  /** Rows of the last seconds, at once; in few messages, since a gateway limits how many may come. */
  async past(seconds: number): Promise<void> {
    const nowMs = Date.now();
    const beats = Math.max(1, Math.min(40, Math.floor(1600 / this.names.length)));
    const times = Array.from({ length: seconds * 4 }, (_, beat) => nowMs - (seconds * 4 - beat) * PERIOD_MS);
    for (let first = 0; first < times.length; first += beats) {
      await this.send(...times.slice(first, first + beats));
    }
  }

  stop(): void {
    clearInterval(this.timer);
    this.rows.close();
    this.alerts.close();
  }

  private async send(...timestamps: number[]): Promise<void> {
    const rows: ReturnType<Crowd["row"]>[] = [];
    const alerts: typeof rows = [];
    for (const timestamp of timestamps) {
      const beat = this.names.map((name, rider) => this.row(name, rider, timestamp));
      rows.push(...beat);
      alerts.push(...beat.map((row, rider) => ({ ...row, ...this.features(row, rider) })));
      this.beat += 1;
    }
    await Promise.all([this.rows.write(rows), this.alerts.write(alerts)]);
  }

  private row(name: string, rider: number, timestamp: number) {
    const place = this.ride[(rider * 37 + Math.floor(this.beat / 4)) % this.ride.length] as Line;
    const motion = this.motions[(rider * 211 + this.beat * 2) % this.motions.length] as Line;
    return {
      rider: name,
      timestamp,
      gForceX: Number(motion["ax"]) + GRAVITY,
      gForceY: Number(motion["ay"]),
      gForceZ: Number(motion["az"]),
      latitude: Number(place["latitude"]),
      longitude: Number(place["longitude"]),
      altitude: Number(place["altitude_m"]),
      speed: Number(place["speed_mps"]),
      heartRate: Number(place["heart_rate_bpm"]),
    };
  }

  private features(row: { gForceX: number; gForceY: number; gForceZ: number }, rider: number) {
    const total = Math.abs(row.gForceX) + Math.abs(row.gForceY) + Math.abs(row.gForceZ);
    const window = this.totals[rider] as number[];
    window.push(total);
    window.splice(0, window.length - WINDOW);
    const mean = window.reduce((sum, value) => sum + value, 0) / window.length;
    return { gForceTotal: total, "gForceTotal-10s": mean, shaking: mean > SHAKING ? 1 : 0 };
  }
}
