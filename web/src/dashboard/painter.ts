/** Draws when the browser draws, and each part no more often than it says. */

interface Part {
  everyMs: number;
  draw: (nowMs: number) => void;
  dueMs: number;
  stale: boolean;
}

export class Painter {
  private readonly parts: Part[] = [];
  private asked = false;

  /** @param ask requestAnimationFrame, which never calls while the page is hidden */
  constructor(private readonly ask: (draw: () => void) => void) {}

  add(everyMs: number, draw: (nowMs: number) => void): void {
    this.parts.push({ everyMs, draw, dueMs: 0, stale: true });
  }

  /** Something has changed: every part is drawn once more when it is due. */
  touch(): void {
    this.parts.forEach((part) => (part.stale = true));
    this.askOnce();
  }

  private askOnce(): void {
    if (!this.asked) {
      this.asked = true;
      this.ask(() => {
        this.asked = false;
        this.draw(Date.now());
      });
    }
  }

  private draw(nowMs: number): void {
    for (const part of this.parts) {
      if (part.stale && (nowMs >= part.dueMs || part.dueMs > nowMs + part.everyMs)) {
        part.stale = false;
        part.dueMs = nowMs + part.everyMs;
        part.draw(nowMs);
      }
    }
    if (this.parts.some(({ stale }) => stale)) {
      this.askOnce();
    }
  }
}
