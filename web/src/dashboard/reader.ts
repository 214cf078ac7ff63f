/** Reads topics over one socket; when it ends, goes on from where it was. */

import { Backoff } from "../wire/backoff";
import { type LogRecord, parseReaderFrame } from "../wire/frames";
import type { Refusal } from "../wire/gateway";
import { Positions } from "../wire/positions";
import { Retry, type Waiting } from "../wire/retry";
import { type Clock, type Socket, WALL_CLOCK } from "../wire/socket";

export type ReaderState =
  | { kind: "connecting" }
  | { kind: "open" }
  | Waiting;

export interface ReaderOptions {
  /** Opens a socket that reads from there. */
  connect: (from: string) => Socket;
  /** Where to begin: latest, earliest, session, or positions. */
  from: string;
  onRecords: (records: LogRecord[], conflated: boolean) => void;
  onChange: () => void;
  /** Why a socket that was to read from there was refused. */
  whyRefused: (from: string) => Promise<Refusal | null>;
  clock?: Clock;
  backoff?: Backoff;
}

/**
 * Nothing may come for long, where nobody rides. After as long a new socket is asked, since a dead one says nothing either;
 * that is no trouble, unless the new one does not say hello.
 */
const SILENCE_MS = 60_000;
const HELLO_MS = 10_000;
/** Closed for slowness so often in a row, with no rest between: what waits is passed over. */
const TOO_SLOW = 3;
const REST_MS = 60_000;

export class Reader {
  state: ReaderState = { kind: "connecting" };
  /** Times that records were passed over because this device could not follow. */
  skips = 0;
  /** Times that the log did not go on where this reader was: it is another one, or what was next has been dropped. */
  moves = 0;
  private positions = new Positions();
  private socket: Socket | null = null;
  private readonly clock: Clock;
  private readonly retry: Retry;
  private cancelSilence: () => void = () => undefined;
  private slow: number[] = [];
  private passOver = false;

  constructor(private readonly options: ReaderOptions) {
    this.clock = options.clock ?? WALL_CLOCK;
    this.retry = new Retry({
      clock: this.clock,
      backoff: options.backoff ?? new Backoff(500, 10_000),
      again: () => this.start(),
      onWaiting: (waiting) => this.become(waiting),
    });
  }

  /** Connects now if it is not connected. */
  start(): void {
    if (!this.socket) {
      this.become({ kind: "connecting" });
      this.connect();
    }
  }

  /** Gives the socket up, and comes back. */
  drop(reason: string): void {
    if (this.leave()) {
      this.cancelSilence();
      this.retry.wait(reason);
    }
  }

  private connect(): void {
    this.retry.cancel();
    const asked = this.passOver || this.positions.empty ? null : this.positions;
    const from = asked?.toString() ?? (this.passOver ? "latest" : this.options.from);
    const socket = this.options.connect(from);
    this.socket = socket;
    let greeted = false;
    this.watchSilence(socket, HELLO_MS, () => this.drop("The gateway does not answer."));
    socket.onmessage = (event) => {
      if (socket !== this.socket) {
        return;
      }
      try {
        this.receive(event.data, asked);
        greeted = true;
      } catch (error) {
        this.drop((error as Error).message);
        return;
      }
      this.watchSilence(socket, SILENCE_MS, () => {
        this.leave();
        this.connect();
      });
    };
    socket.onclose = (event) => this.closed(socket, event, greeted ? null : from);
  }

  private leave(): boolean {
    const { socket } = this;
    this.socket = null;
    socket?.close();
    return socket !== null;
  }

  private receive(data: unknown, asked: Positions | null): void {
    const frame = parseReaderFrame(data);
    if (frame.kind === "records") {
      this.positions.advance(frame.position);
      this.options.onRecords(frame.records, frame.conflated);
      return;
    }
    if (frame.kind === "goodbye") {
      return; // the close frame that follows says why; the positions of the records are the same
    }
    if (asked && !asked.within(frame.position)) {
      this.moves += 1;
    }
    this.positions = frame.position;
    this.passOver = false;
    this.retry.greeted();
    this.retry.progressed();
    this.become({ kind: "open" });
  }

  /** @param refused where a socket was to read from that never said hello */
  private closed(socket: Socket, event: CloseEvent, refused: string | null): void {
    if (socket !== this.socket) {
      return;
    }
    this.socket = null;
    if (event.code === 1013) {
      this.tooSlow();
    }
    const reason = event.code === 1006 || !event.reason ? "No connection." : `The connection ended: ${event.reason}`;
    this.cancelSilence();
    if (refused === null) {
      this.retry.wait(reason);
    } else {
      this.retry.refused(reason, this.options.whyRefused(refused));
    }
  }

  private tooSlow(): void {
    const nowMs = this.clock.nowMs();
    this.slow = [...this.slow.filter((atMs) => nowMs - atMs < REST_MS), nowMs];
    if (this.slow.length >= TOO_SLOW) {
      this.slow = [];
      this.skips += 1;
      this.passOver = true;
    }
  }

  private watchSilence(socket: Socket, afterMs: number, call: () => void): void {
    this.cancelSilence();
    this.cancelSilence = this.clock.after(afterMs, () => {
      if (socket === this.socket) {
        call();
      }
    });
  }

  private become(state: ReaderState): void {
    this.state = state;
    this.options.onChange();
  }
}
