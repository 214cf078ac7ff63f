/** Does what the service of examples/crash_detection does, with a threshold for a model: marks shaken rows. */

import { Stored, Writer } from "./wire";

const WINDOW_MS = 10_000;
const SHAKING = 18; // m/s², well above what lies still (9.8)

export class Detector {
  private readonly windows = new Map<string, { atMs: number; total: number }[]>();

  private constructor(
    private readonly rows: Stored,
    private readonly alerts: Writer,
  ) {}

  static async start(gateway: string, riders: string[]): Promise<Detector> {
    const rows = await Stored.from(gateway, "phone-data", riders, "latest");
    const detector = new Detector(rows, await Writer.to(gateway, "alerts"));
    rows.onRecord(({ key, value, timestamp }) => detector.take(key ?? "", timestamp, value as Record<string, number>));
    return detector;
  }

  stop(): void {
    this.rows.close();
    this.alerts.close();
  }

  private take(rider: string, timestamp: number, row: Record<string, number>): void {
    const { gForceX: x, gForceY: y, gForceZ: z } = row;
    if (x === undefined || y === undefined || z === undefined) {
      return;
    }
    const total = Math.abs(x) + Math.abs(y) + Math.abs(z);
    const known = this.windows.get(rider) ?? [];
    const window = [...known, { atMs: timestamp, total }].filter(({ atMs }) => atMs > timestamp - WINDOW_MS);
    this.windows.set(rider, window);
    const mean = window.reduce((sum, entry) => sum + entry.total, 0) / window.length;
    const shaking = total > SHAKING ? 1 : 0;
    const features = { gForceTotal: total, "gForceTotal-10s": mean, shaking };
    void this.alerts.write([{ ...row, rider, timestamp, ...features }]).catch(() => undefined);
  }
}
