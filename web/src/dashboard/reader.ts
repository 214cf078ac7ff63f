/** Reads topics over one socket; when it ends, goes on from where it was. */

import { Backoff } from "../wire/backoff";
import { type LogRecord, parseReaderFrame } from "../wire/frames";
import { Positions } from "../wire/positions";
import { type Clock, type Socket, WALL_CLOCK } from "../wire/socket";

export type ReaderState =
  | { kind: "connecting" }
  | { kind: "open" }
  | { kind: "waiting"; reason: string; untilMs: number };

export interface ReaderOptions {
  /** Opens a socket that reads from there. */
  connect: (from: string) => Socket;
  /** Where to begin: latest, earliest, or positions. */
  from: string;
  onRecords: (records: LogRecord[], conflated: boolean) => void;
  onChange: () => void;
  whyRefused: () => Promise<string | null>;
  clock?: Clock;
  backoff?: Backoff;
}

/** Nothing may come for long. After as long a new socket is asked, since a dead one says nothing either. */
const SILENCE_MS = 60_000;
/** Closed for slowness so often in a row, with no rest between: what waits is passed over. */
const TOO_SLOW = 3;
const REST_MS = 60_000;

export class Reader {
  state: ReaderState = { kind: "connecting" };
  /** Times that records were passed over because this device could not follow. */
  skips = 0;
  private readonly positions = new Positions();
  private socket: Socket | null = null;
  private readonly clock: Clock;
  private readonly backoff: Backoff;
  private cancelRetry: () => void = () => undefined;
  private cancelSilence: () => void = () => undefined;
  private slow: number[] = [];
  private passOver = false;

  constructor(private readonly options: ReaderOptions) {
    this.clock = options.clock ?? WALL_CLOCK;
    this.backoff = options.backoff ?? new Backoff(500, 10_000);
  }

  /** Connects now if it is not connected. */
  start(): void {
    if (this.socket) {
      return;
    }
    this.cancelRetry();
    this.become({ kind: "connecting" });
    const known = this.positions.empty ? this.options.from : this.positions.toString();
    const socket = this.options.connect(this.passOver ? "latest" : known);
    this.socket = socket;
    let greeted = false;
    this.watchSilence(socket);
    socket.onmessage = (event) => {
      if (socket !== this.socket) {
        return;
      }
      try {
        this.receive(event.data);
        greeted = true;
      } catch (error) {
        this.drop((error as Error).message);
        return;
      }
      this.watchSilence(socket);
    };
    socket.onclose = (event) => this.closed(socket, event, greeted);
  }

  /** Gives the socket up, and comes back. */
  drop(reason: string): void {
    const socket = this.socket;
    if (socket) {
      this.socket = null;
      socket.close();
      this.wait(reason);
    }
  }

  private receive(data: unknown): void {
    const frame = parseReaderFrame(data);
    this.positions.advance(frame.position);
    if (frame.kind === "hello") {
      this.passOver = false;
      this.backoff.reset();
      this.become({ kind: "open" });
    } else {
      this.options.onRecords(frame.records, frame.conflated);
    }
  }

  private closed(socket: Socket, event: CloseEvent, greeted: boolean): void {
    if (socket !== this.socket) {
      return;
    }
    this.socket = null;
    if (event.code === 1013) {
      this.tooSlow();
    }
    this.wait(event.code === 1006 || !event.reason ? "No connection." : `The connection ended: ${event.reason}`);
    if (!greeted) {
      void this.options.whyRefused().then((refusal) => {
        if (refusal && this.state.kind === "waiting") {
          this.become({ ...this.state, reason: refusal });
        }
      });
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

  private watchSilence(socket: Socket): void {
    this.cancelSilence();
    this.cancelSilence = this.clock.after(SILENCE_MS, () => {
      if (socket === this.socket) {
        this.drop("Nothing has come for a minute.");
      }
    });
  }

  private wait(reason: string): void {
    const delayMs = this.backoff.nextMs();
    this.cancelSilence();
    this.cancelRetry();
    this.cancelRetry = this.clock.after(delayMs, () => this.start());
    this.become({ kind: "waiting", reason, untilMs: this.clock.nowMs() + delayMs });
  }

  private become(state: ReaderState): void {
    this.state = state;
    this.options.onChange();
  }
}
