/**
 * Sends what the store holds, over one socket at a time, and comes back when a socket ends.
 *
 *     idle ──> connecting ──hello──> open ──socket ends──> waiting ──> connecting …
 *                                     │
 *                                     └─ another tab has the store, another device the session ──> elsewhere (until start)
 *
 * Whatever touches the store runs one step after the other (`serial`), and each step looks whether its socket is still the
 * one in use: a frame of an old socket changes nothing.
 */

import { Backoff } from "../wire/backoff";
import { parseWriterFrame, ProtocolError, type Range } from "../wire/frames";
import type { Refusal } from "../wire/gateway";
import { Retry, type Waiting } from "../wire/retry";
import { type Clock, type Socket, WALL_CLOCK } from "../wire/socket";
import { type PhoneStore, type Session, TakenOver } from "./store";

export type SenderState =
  | { kind: "idle" }
  | { kind: "connecting" }
  | { kind: "open"; session: Session }
  | Waiting
  | { kind: "elsewhere" };

export interface SenderOptions {
  store: PhoneStore;
  /** Learns what is to be known before a connection. @throws Error if it cannot; it is tried again later */
  prepare: () => Promise<void>;
  connect: (session: Session) => Socket;
  /** Why a handshake failed, if that can be known. */
  whyRefused: (session: Session) => Promise<Refusal | null>;
  /** State, or what waits, has changed. */
  onChange: () => void;
  clock?: Clock;
  backoff?: Backoff;
}

/** What can be said of a socket that ended without a word. */
export const NO_CONNECTION = "No connection.";

/** WebSocket.OPEN. A socket that is closing takes nothing more, and says so by itself. */
const OPEN = 1;

/**
 * Messages that were sent and not answered. It has to be less than 64: so many refused numbers the gateway remembers, for
 * pages that did not hear of them.
 */
const WINDOW = 16;
/** A socket that acknowledges nothing for so long is dead, whatever the browser thinks of it. */
const SILENCE_MS = 15_000;
/** Messages a second over a time, below the gateway's 100, and how many may go at once. */
const PACE_MS = 40;
const BURST = 20;
/**
 * A session that is opened elsewhere is taken back once, since that may have been a page that is gone. Twice within so long,
 * and two devices would go on taking it from each other.
 */
const TAKEN_MS = 60_000;

interface Connection {
  socket: Socket;
  session: Session;
  greeted: boolean;
  sent: number;
  settled: number;
  cancelSilence: () => void;
}

export class Sender {
  state: SenderState = { kind: "idle" };
  /** Rows that the gateway has acknowledged since the page was opened. */
  acknowledgedRows = 0;
  private connection: Connection | null = null;
  private readonly clock: Clock;
  private readonly retry: Retry;
  private work: Promise<void> = Promise.resolve();
  private running = false;
  private cancelPace: () => void = () => undefined;
  private paceMs = 0;
  private takenMs = -Infinity;
  /** Rows of each message on its way. */
  private readonly rowsInFlight = new Map<number, number>();

  constructor(private readonly options: SenderOptions) {
    this.clock = options.clock ?? WALL_CLOCK;
    this.retry = new Retry({
      clock: this.clock,
      backoff: options.backoff ?? new Backoff(),
      again: () => this.retryNow(),
      onWaiting: (waiting) => this.become(waiting),
    });
  }

  /** Connects if it is not connected; also after another page had taken the session. */
  start(): void {
    this.running = true;
    this.retryNow();
  }

  stop(): void {
    this.running = false;
    this.retry.cancel();
    this.leave();
    this.become({ kind: "idle" });
  }

  /** Rows were appended. */
  poke(): void {
    if (this.state.kind === "open") {
      this.pump();
    } else if (this.state.kind === "idle") {
      this.retryNow();
    }
  }

  /** Does not wait any longer: the network is back, the page is seen again. */
  retryNow(): void {
    if (!this.running || this.connection) {
      return;
    }
    this.retry.cancel();
    this.become({ kind: "connecting" });
    this.serial(() => this.connect());
  }

  /** The network has gone: what the socket still says counts for nothing. */
  dropConnection(reason: string): void {
    if (this.connection) {
      this.leave();
      this.wait(reason);
    }
  }

  /** Another tab took the store. */
  yield(): void {
    this.running = false;
    this.retry.cancel();
    this.leave();
    this.become({ kind: "elsewhere" });
  }

  private async connect(): Promise<void> {
    if (!this.running || this.connection) {
      return;
    }
    const session = await this.options.store.sessionToSend();
    if (!session || !this.running) {
      this.become({ kind: "idle" });
      return;
    }
    await this.options.prepare();
    if (!this.running) {
      return;
    }
    const socket = this.options.connect(session);
    const connection: Connection = {
      socket,
      session,
      greeted: false,
      sent: 0,
      settled: 0,
      cancelSilence: () => undefined,
    };
    this.connection = connection;
    this.rowsInFlight.clear();
    this.watchSilence(connection, "the gateway does not answer");
    socket.onmessage = (event) => this.serial(() => this.receive(connection, event.data));
    socket.onclose = (event) => this.serial(async () => this.closed(connection, event));
  }

  private async receive(connection: Connection, data: unknown): Promise<void> {
    if (connection !== this.connection) {
      return;
    }
    const frame = parseWriterFrame(data);
    if (frame.kind === "hello") {
      await this.greet(connection, frame.sequence, frame.refused);
      return;
    }
    if (!connection.greeted || frame.sequence !== connection.settled + 1 || frame.sequence > connection.sent) {
      throw new ProtocolError(
        `wanted an answer to message ${connection.settled + 1}, got one to ${frame.sequence}; sent are ${connection.sent}`,
      );
    }
    const { order } = connection.session;
    if (frame.kind === "ack") {
      await this.options.store.settle(order, frame.sequence);
      this.acknowledgedRows += this.rowsInFlight.get(frame.sequence) ?? 0;
    } else {
      await this.options.store.refuse(order, frame.sequence, frame.error);
    }
    this.rowsInFlight.delete(frame.sequence);
    connection.settled = frame.sequence;
    this.retry.progressed();
    this.options.onChange();
    this.pump();
  }

  private async greet(connection: Connection, sequence: number, refused: Range[]): Promise<void> {
    if (connection.greeted) {
      throw new ProtocolError("a second hello");
    }
    const { session, stored } = await this.options.store.welcome(connection.session.order, sequence, refused);
    this.acknowledgedRows += stored;
    if (connection !== this.connection) {
      return;
    }
    if (session.id !== connection.session.id) {
      this.leave();
      this.retryNow();
      return;
    }
    this.retry.greeted();
    Object.assign(connection, { session, greeted: true, sent: sequence, settled: sequence });
    this.become({ kind: "open", session });
    this.pump();
  }

  /** Sends the next message, if one may go now, and comes again until none may. */
  private pump(): void {
    const connection = this.connection;
    if (!connection?.greeted) {
      return;
    }
    this.cancelPace();
    this.serial(async () => {
      if (connection !== this.connection || connection.sent - connection.settled >= WINDOW) {
        return;
      }
      const aheadMs = this.paceMs - this.clock.nowMs() - BURST * PACE_MS;
      if (aheadMs > 0) {
        this.cancelPace = this.clock.after(aheadMs, () => this.pump());
        return;
      }
      const message = await this.options.store.next(connection.session.order, connection.sent);
      if (connection !== this.connection || connection.socket.readyState !== OPEN) {
        return;
      }
      if (!message) {
        await this.rest(connection);
        return;
      }
      connection.socket.send(message.body);
      connection.sent = message.sequence;
      this.rowsInFlight.set(message.sequence, message.rows);
      this.paceMs = Math.max(this.paceMs, this.clock.nowMs()) + PACE_MS;
      this.watchSilence(connection, "the gateway acknowledges nothing");
      this.pump();
    });
  }

  /** Nothing more waits in this session: on to another, if there is one. */
  private async rest(connection: Connection): Promise<void> {
    if (connection.settled < connection.sent) {
      return;
    }
    connection.cancelSilence();
    const session = await this.options.store.sessionToSend();
    if (connection === this.connection && session?.order !== connection.session.order) {
      this.leave();
      this.retryNow();
    }
  }

  private watchSilence(connection: Connection, reason: string): void {
    connection.cancelSilence();
    connection.cancelSilence = this.clock.after(SILENCE_MS, () => {
      if (connection === this.connection) {
        this.dropConnection(reason);
      }
    });
  }

  private closed(connection: Connection, event: CloseEvent): void {
    if (connection !== this.connection) {
      return;
    }
    this.leave();
    if (event.code === 4000 && this.takenAgain()) {
      this.running = false;
      this.become({ kind: "elsewhere" });
      return;
    }
    const reason = reasonOf(event);
    if (connection.greeted) {
      this.retry.wait(reason);
    } else {
      this.retry.refused(reason, this.options.whyRefused(connection.session));
    }
  }

  private takenAgain(): boolean {
    const beforeMs = this.takenMs;
    this.takenMs = this.clock.nowMs();
    return this.takenMs - beforeMs < TAKEN_MS;
  }

  private leave(): void {
    const connection = this.connection;
    if (connection) {
      this.connection = null;
      connection.cancelSilence();
      this.cancelPace();
      connection.socket.close();
    }
  }

  private wait(reason: string): void {
    if (this.running) {
      this.retry.wait(reason);
    }
  }

  private become(state: SenderState): void {
    this.state = state;
    this.options.onChange();
  }

  private serial(step: () => Promise<void>): void {
    this.work = this.work.then(step).catch((error: unknown) => {
      if (error instanceof TakenOver) {
        this.yield();
        return;
      }
      this.leave();
      this.wait((error as Error).message);
    });
  }

  /** For tests: resolves when all steps so far are done. */
  settled(): Promise<void> {
    return this.work;
  }
}

function reasonOf(event: CloseEvent): string {
  const known: Record<number, string> = {
    1001: "The gateway is ending; it may be starting anew.",
    1006: NO_CONNECTION,
    1008: "The gateway does not allow it",
    1009: "The gateway's limit on messages is too small: limits.message_bytes has to be more than 16 kB",
    1011: "An error in the gateway",
    4000: "This phone's session was opened elsewhere, too",
  };
  const text = known[event.code] ?? `The connection ended (${event.code})`;
  return event.reason ? `${text}: ${event.reason}` : text;
}
