/**
 * Brings rows into the store in the order in which they were measured, each as the row of the ride that it was measured on;
 * also while the store has no room for a moment, or another tab owns it.
 */

import { type Clock, WALL_CLOCK } from "../wire/socket";
import { type PhoneStore, type Ride, TakenOver } from "./store";

/** Rows in memory while the store takes none: 40 minutes at 4 Hz. What is measured beyond that is lost, and counted. */
const MOST_PENDING = 10_000;
const BATCH = 200;
/** What the store did not take is tried again so often, also when nothing more is measured. */
const RETRY_MS = 1000;

interface Pending {
  ride: Ride;
  text: string;
}

export class Recorder {
  /** Rows that were measured and are nowhere. */
  lost = 0;
  /** Why the store takes none, or null. */
  trouble: string | null = null;
  private pending: Pending[] = [];
  private writing = false;
  private takenOver = false;
  private cancelRetry: (() => void) | null = null;

  /**
   * @param onWritten is told how many rows are in the store now that were not
   * @param onTakenOver is told once each time that another tab turns out to own the store
   */
  constructor(
    private readonly store: Pick<PhoneStore, "append">,
    private readonly onWritten: (rows: number) => void,
    private readonly onTakenOver: () => void,
    private readonly clock: Clock = WALL_CLOCK,
  ) {}

  /** Rows that are not in the store yet. */
  get inMemory(): number {
    return this.pending.length;
  }

  /** Returns at once; rows go into the store one transaction after the other. */
  add(ride: Ride, text: string): void {
    if (this.pending.length >= MOST_PENDING) {
      this.lost += 1;
      return;
    }
    this.pending.push({ ride, text });
    this.write();
  }

  private write(): void {
    if (!this.writing) {
      this.writing = true;
      this.cancelRetry?.();
      this.cancelRetry = null;
      void this.writeAll();
    }
  }

  private async writeAll(): Promise<void> {
    for (let first = this.pending[0]; first; first = this.pending[0]) {
      const { ride } = first;
      const other = this.pending.findIndex((row, at) => at >= BATCH || row.ride !== ride);
      const batch = this.pending.slice(0, other < 0 ? undefined : other);
      try {
        await this.store.append(ride, batch.map(({ text }) => text));
      } catch (error) {
        this.writing = false;
        this.failed(error);
        return;
      }
      this.pending.splice(0, batch.length);
      this.trouble = null;
      this.takenOver = false;
      this.onWritten(batch.length);
    }
    this.writing = false;
  }

  private failed(error: unknown): void {
    this.cancelRetry = this.clock.after(RETRY_MS, () => this.write());
    if (error instanceof TakenOver) {
      const rows = this.pending.length === 1 ? "1 row" : `${this.pending.length} rows`;
      this.trouble = `${rows} of this tab will be kept when it has its turn again: leave it open.`;
      if (!this.takenOver) {
        this.takenOver = true;
        this.onTakenOver();
      }
      return;
    }
    const full = error instanceof DOMException && error.name === "QuotaExceededError";
    this.trouble = full
      ? "The phone's storage is full: rows are kept in memory only. Free some space, and leave this page open."
      : `Rows are kept in memory only: ${(error as Error).message}`;
  }
}
