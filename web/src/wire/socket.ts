/** What connections need of the world, so that tests can put their own in. */

/** What is used of a WebSocket. */
export interface Socket {
  onmessage: ((event: MessageEvent) => void) | null;
  onclose: ((event: CloseEvent) => void) | null;
  /** WebSocket.OPEN, or another number. */
  readonly readyState: number;
  send(data: string): void;
  close(code?: number, reason?: string): void;
}

export interface Clock {
  nowMs(): number;
  after(delayMs: number, call: () => void): () => void;
}

export const WALL_CLOCK: Clock = {
  nowMs: () => Date.now(),
  after: (delayMs, call) => {
    const timer = setTimeout(call, delayMs);
    return () => clearTimeout(timer);
  },
};
