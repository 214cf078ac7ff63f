/** Brings rows into the store in the order in which they were measured, also while the store has no room for a moment. */

import { type PhoneStore, TakenOver } from "./store";

/** Rows in memory while the store takes none: 40 minutes at 4 Hz. What is measured beyond that is lost, and counted. */
const MOST_PENDING = 10_000;

export class Recorder {
  /** Rows that were measured and are nowhere. */
  lost = 0;
  /** Why the store takes none, or null. */
  trouble: string | null = null;
  private pending: string[] = [];
  private writing = false;

  constructor(
    private readonly store: Pick<PhoneStore, "append">,
    private readonly onWritten: (rows: number) => void,
    private readonly onTakenOver: () => void,
  ) {}

  /** Rows that are not in the store yet. */
  get inMemory(): number {
    return this.pending.length;
  }

  /** Returns at once; rows go into the store one transaction after the other. */
  add(text: string): void {
    if (this.pending.length >= MOST_PENDING) {
      this.lost += 1;
      return;
    }
    this.pending.push(text);
    if (!this.writing) {
      this.writing = true;
      void this.writeAll().finally(() => (this.writing = false));
    }
  }

  private async writeAll(): Promise<void> {
    while (this.pending.length > 0) {
      const batch = this.pending.slice(0, 200);
      try {
        await this.store.append(batch);
      } catch (error) {
        this.failed(error);
        return;
      }
      this.pending.splice(0, batch.length);
      this.trouble = null;
      this.onWritten(batch.length);
    }
  }

  /** The next row tries again. */
  private failed(error: unknown): void {
    if (error instanceof TakenOver) {
      this.onTakenOver();
      return;
    }
    const full = error instanceof DOMException && error.name === "QuotaExceededError";
    this.trouble = full
      ? "The phone's storage is full: rows are kept in memory only. Free some space, and leave this page open."
      : `Rows are kept in memory only: ${(error as Error).message}`;
  }
}
