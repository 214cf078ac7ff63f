/** Rows a second and latency, over the last moments. */

/** Events a second over the last `buckets` times `bucketMs`. */
export class Rate {
  private readonly counts: number[];
  private newest = 0;

  constructor(
    private readonly bucketMs = 250,
    buckets = 20,
  ) {
    this.counts = new Array<number>(buckets).fill(0);
  }

  add(events: number, nowMs: number): void {
    this.turn(nowMs);
    const slot = this.newest % this.counts.length;
    this.counts[slot] = (this.counts[slot] as number) + events;
  }

  perSecond(nowMs: number): number {
    this.turn(nowMs);
    // The newest bucket is still filling.
    const full = this.counts.filter((_, slot) => slot !== this.newest % this.counts.length);
    return full.reduce((sum, count) => sum + count, 0) / ((full.length * this.bucketMs) / 1000);
  }

  private turn(nowMs: number): void {
    const bucket = Math.floor(nowMs / this.bucketMs);
    const behind = Math.min(bucket - this.newest, this.counts.length);
    for (let step = 1; step <= behind; step += 1) {
      this.counts[(bucket - behind + step) % this.counts.length] = 0;
    }
    this.newest = Math.max(this.newest, bucket);
  }
}

/** The last values, and what share of them is below what. */
export class Samples {
  private readonly values: number[] = [];
  private next = 0;

  constructor(private readonly capacity = 512) {}

  add(value: number): void {
    this.values[this.next] = value;
    this.next = (this.next + 1) % this.capacity;
  }

  /** The value that `share` (0 to 1) of the samples do not exceed; null without samples. */
  percentile(share: number): number | null {
    const sorted = [...this.values].sort((one, other) => one - other);
    return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? null;
  }

  clear(): void {
    this.values.length = this.next = 0;
  }
}
