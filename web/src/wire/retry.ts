/** The wait between one socket that has gone and the next, and what a page shows of it. */

import type { Backoff } from "./backoff";
import type { Refusal } from "./gateway";
import type { Clock } from "./socket";

export interface Waiting {
  kind: "waiting";
  reason: string;
  untilMs: number;
  /** Another token may help. */
  wantsToken: boolean;
}

export interface RetryOptions {
  clock: Clock;
  backoff: Backoff;
  /** It is time for the next try. */
  again: () => void;
  /** It waits, or knows more of why. */
  onWaiting: (waiting: Waiting) => void;
}

export class Retry {
  private waiting: Waiting | null = null;
  private cancelTimer: () => void = () => undefined;
  /** Why the last handshakes failed, until one does not: what a page shows does not change with each try. */
  private refusal: Refusal | null = null;

  constructor(private readonly options: RetryOptions) {}

  /** Waits, since the connection ended for that reason. */
  wait(reason: string): void {
    this.begin({ reason, wantsToken: false });
  }

  /** Waits, since the handshake failed. @param why what the gateway says of it; the next try does not wait for that */
  refused(reason: string, why: Promise<Refusal | null>): void {
    const unknown = { reason, wantsToken: false };
    const begun = this.begin(this.refusal ?? unknown);
    void why.then((refusal) => {
      if (this.waiting === begun) {
        this.refusal = refusal;
        this.become({ ...begun, ...(refusal ?? unknown) });
      }
    });
  }

  /** Does not wait any longer, nor listen to why it had to. */
  cancel(): void {
    this.cancelTimer();
    this.waiting = null;
  }

  /** A handshake has succeeded. */
  greeted(): void {
    this.refusal = null;
  }

  /** The connection is of use: the next wait is a short one again. */
  progressed(): void {
    this.options.backoff.reset();
  }

  private begin(why: Refusal): Waiting {
    const { clock, backoff, again } = this.options;
    this.cancel();
    const delayMs = backoff.nextMs();
    this.cancelTimer = clock.after(delayMs, again);
    const waiting: Waiting = { kind: "waiting", untilMs: clock.nowMs() + delayMs, ...why };
    this.become(waiting);
    return waiting;
  }

  private become(waiting: Waiting): void {
    this.waiting = waiting;
    this.options.onWaiting(waiting);
  }
}
