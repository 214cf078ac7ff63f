/** The newest forces of one rider, in order of time, in bounded memory. */

/** What one row, or its alert, says of a moment. Rows of both topics with the same time become one point. */
export interface Forces {
  raw?: number | undefined; // |X| + |Y| + |Z|, m/s²
  mean?: number | undefined; // of ten seconds, m/s²
  shaking?: number | undefined; // 0 or 1
}

/** Times in seconds since 1970, and a value or null for each. */
export type Columns = [times: number[], raw: Values, mean: Values, shaking: Values];
type Values = (number | null)[];

/** Over so long without a row no line is drawn. */
const GAP_MS = 3000;
const FIRST_CAPACITY = 64;

export class ForceRing {
  /** Points that were there; the oldest leave when `capacity` are. */
  length = 0;
  private start = 0;
  private times = new Float64Array(FIRST_CAPACITY);
  /** Raw, mean and shaking of each point, NaN where it has none. */
  private values = new Float32Array(3 * FIRST_CAPACITY);

  constructor(readonly capacity: number) {}

  /** A row older than all that is kept changes nothing once the ring is full. */
  put(timeMs: number, forces: Forces): void {
    let at = this.length;
    while (at > 0 && this.timeAt(at - 1) > timeMs) {
      at -= 1;
    }
    if (at > 0 && this.timeAt(at - 1) === timeMs) {
      this.fill(at - 1, forces);
      return;
    }
    if (this.length === this.capacity) {
      if (at === 0) {
        return;
      }
      this.start = (this.start + 1) % this.times.length;
      this.length -= 1;
      at -= 1;
    } else if (this.length === this.times.length) {
      this.grow();
    }
    this.insert(at, timeMs);
    this.fill(at, forces);
  }

  /** The points from `sinceMs` on, with one of nulls where rows are missing. */
  columns(sinceMs: number): Columns {
    const times: number[] = [];
    const series: [Values, Values, Values] = [[], [], []];
    let first = this.length;
    while (first > 0 && this.timeAt(first - 1) >= sinceMs) {
      first -= 1;
    }
    for (let index = first; index < this.length; index += 1) {
      const slot = this.slot(index);
      if (index > first && this.timeAt(index) - this.timeAt(index - 1) > GAP_MS) {
        times.push((this.timeAt(index) - 1) / 1000);
        series.forEach((values) => values.push(null));
      }
      times.push((this.times[slot] as number) / 1000);
      series.forEach((values, number) => {
        const value = this.values[3 * slot + number] as number;
        values.push(Number.isNaN(value) ? null : value);
      });
    }
    return [times, ...series];
  }

  private slot(index: number): number {
    return (this.start + index) % this.times.length;
  }

  private timeAt(index: number): number {
    return this.times[this.slot(index)] as number;
  }

  private fill(index: number, { raw, mean, shaking }: Forces): void {
    [raw, mean, shaking].forEach((value, series) => {
      if (value !== undefined) {
        this.values[3 * this.slot(index) + series] = value;
      }
    });
  }

  /** Rows come nearly in order, so that little is moved. */
  private insert(at: number, timeMs: number): void {
    this.length += 1;
    for (let index = this.length - 1; index > at; index -= 1) {
      const [to, from] = [this.slot(index), this.slot(index - 1)];
      this.times[to] = this.times[from] as number;
      this.values.copyWithin(3 * to, 3 * from, 3 * from + 3);
    }
    this.times[this.slot(at)] = timeMs;
    this.values.fill(NaN, 3 * this.slot(at), 3 * this.slot(at) + 3);
  }

  private grow(): void {
    const capacity = Math.min(2 * this.times.length, this.capacity);
    const times = new Float64Array(capacity);
    const values = new Float32Array(3 * capacity);
    for (let index = 0; index < this.length; index += 1) {
      const slot = this.slot(index);
      times[index] = this.times[slot] as number;
      values.set(this.values.subarray(3 * slot, 3 * slot + 3), 3 * index);
    }
    [this.start, this.times, this.values] = [0, times, values];
  }
}
