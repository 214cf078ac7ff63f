/** A clock that a test moves. */

import type { Clock } from "../../src/wire/socket";

export class FakeClock implements Clock {
  private ms = 1_700_000_000_000;
  private timers: { dueMs: number; call: () => void }[] = [];

  nowMs(): number {
    return this.ms;
  }

  after(delayMs: number, call: () => void): () => void {
    const timer = { dueMs: this.ms + delayMs, call };
    this.timers.push(timer);
    return () => (this.timers = this.timers.filter((other) => other !== timer));
  }

  advance(deltaMs: number): void {
    this.ms += deltaMs;
    const due = this.timers.filter(({ dueMs }) => dueMs <= this.ms);
    this.timers = this.timers.filter(({ dueMs }) => dueMs > this.ms);
    due.sort((one, other) => one.dueMs - other.dueMs).forEach(({ call }) => call());
  }
}
