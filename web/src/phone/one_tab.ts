/**
 * One tab of a browser measures and sends; the others wait, or take over when the user says so.
 *
 * The lock says which (Web Locks: the browser frees it when a tab ends or crashes). It is a courtesy to the user; that two
 * tabs cannot spoil the store is seen to by the store itself.
 */

const NAME = "tiderace-phone";

export interface Turn {
  /** This tab may work. */
  onGained: () => void;
  /** Another tab was told to. */
  onLost: () => void;
  /** Another tab works; this one is in line for when it ends. */
  onWaiting: () => void;
}

export class OneTab {
  constructor(
    private readonly locks: LockManager | undefined,
    private readonly turn: Turn,
  ) {}

  /** Works as soon as no other tab does. */
  enter(): void {
    if (!this.locks) {
      this.turn.onGained();
      return;
    }
    void this.locks.request(NAME, { ifAvailable: true }, (lock) => {
      if (lock) {
        return this.hold();
      }
      this.turn.onWaiting();
      this.request({});
      return undefined;
    }).catch(() => this.lost());
  }

  /** Takes the turn from the tab that has it; not for the tab that has it itself. */
  take(): void {
    if (this.locks) {
      this.request({ steal: true });
    } else {
      this.turn.onGained();
    }
  }

  private request(options: LockOptions): void {
    this.locks?.request(NAME, options, () => this.hold()).catch(() => this.lost());
  }

  /** Another tab took it; when that one ends it comes back here. */
  private lost(): void {
    this.turn.onLost();
    this.request({});
  }

  /** The lock is held until this promise ends, which is when the tab does. */
  private hold(): Promise<never> {
    this.turn.onGained();
    return new Promise(() => undefined);
  }
}
