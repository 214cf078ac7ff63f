/** The writing half of the protocol without a network, with everything that can go wrong on the way. */

import type { Session } from "../../src/phone/store";
import type { Refusal } from "../../src/wire/gateway";
import type { Socket } from "../../src/wire/socket";

/** What happens to a message: it arrives and is answered; arrives, and the answer is lost with the socket; is lost too. */
export type Fate = "answered" | "answer lost" | "lost";

export class FakeGateway {
  /** Rows as they were stored. */
  readonly stored: { rider: string; row: unknown }[] = [];
  /** Bodies by session and number, as they came the first time. */
  readonly bodies = new Map<string, string>();
  /** The last number of each session that was answered, and which of them were refused. */
  readonly sequences = new Map<string, number>();
  readonly refused = new Map<string, [number, number][]>();
  readonly sockets: FakeSocket[] = [];
  reachable = true;
  /** Why it is not, for who asks. */
  refusal: Refusal | null = null;
  fate: () => Fate = () => "answered";
  refuse: (body: string) => string | null = () => null;

  connect = (session: Session): FakeSocket => {
    const socket = new FakeSocket(this, session);
    this.sockets.push(socket);
    queueMicrotask(() => {
      if (this.reachable) {
        this.open.filter((other) => other !== socket && other.session.id === session.id).forEach((old) => old.end(4000));
        socket.greet(this.sequences.get(session.id) ?? 0, this.refused.get(session.id) ?? []);
      } else {
        socket.end(1006);
      }
    });
    return socket;
  };

  get open(): FakeSocket[] {
    return this.sockets.filter((socket) => !socket.ended);
  }

  /** Every connection ends. */
  cut(code = 1006): void {
    this.open.forEach((socket) => socket.end(code));
  }
}

export class FakeSocket implements Socket {
  onmessage: ((event: MessageEvent) => void) | null = null;
  onclose: ((event: CloseEvent) => void) | null = null;
  readonly sent: string[] = [];
  ended = false;
  private next = 0;

  constructor(
    private readonly gateway: FakeGateway,
    readonly session: Session,
  ) {}

  get readyState(): number {
    return this.ended ? 3 : 1;
  }

  greet(sequence: number, refused: [number, number][]): void {
    this.next = sequence + 1;
    this.say({ hello: { sequence, ...(refused.length > 0 ? { refused } : {}) } });
  }

  send(body: string): void {
    if (this.ended) {
      return;
    }
    this.sent.push(body);
    const sequence = this.next++;
    const fate = this.gateway.fate();
    if (fate === "lost") {
      this.end(1006);
      return;
    }
    const error = this.gateway.refuse(body);
    this.store(sequence, body, error);
    if (fate === "answer lost") {
      this.end(1006);
    } else {
      queueMicrotask(() => this.say(error ? { refused: sequence, error } : { ack: sequence, offsets: [] }));
    }
  }

  close(): void {
    this.ended = true;
  }

  end(code: number): void {
    if (!this.ended) {
      this.ended = true;
      queueMicrotask(() => this.onclose?.({ code, reason: "" } as CloseEvent));
    }
  }

  say(frame: unknown): void {
    if (!this.ended) {
      this.onmessage?.({ data: JSON.stringify(frame) } as MessageEvent);
    }
  }

  private store(sequence: number, body: string, error: string | null): void {
    const place = `${this.session.id}/${sequence}`;
    const before = this.gateway.bodies.get(place);
    if (before !== undefined && before !== body) {
      throw new Error(`message ${place} was cut as\n${before}\nand is now\n${body}`);
    }
    this.gateway.bodies.set(place, body);
    // A number is used up by either answer.
    this.gateway.sequences.set(this.session.id, sequence);
    if (error) {
      const before = this.gateway.refused.get(this.session.id) ?? [];
      this.gateway.refused.set(this.session.id, [...before, [sequence, sequence] as [number, number]].slice(-64));
    } else {
      const rows = JSON.parse(body) as unknown[];
      this.gateway.stored.push(...rows.map((row) => ({ rider: this.session.rider, row })));
    }
  }
}
