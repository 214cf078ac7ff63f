/** What the tests say to a gateway themselves, over the wire protocol, so that any gateway will do. */

import { WebSocket } from "ws";
import { type LogRecord, parseReaderFrame, parseWriterFrame } from "../../src/wire/frames";

export const MOST_WAIT_MS = 20_000;

function open(gateway: string, path: string): WebSocket {
  return new WebSocket(gateway.replace(/^http/, "ws") + path, ["tiderace.v1"]);
}

/** Rejects with `what` if `promise` takes too long. */
export function soon<T>(promise: Promise<T>, what: () => string, mostMs = MOST_WAIT_MS): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${what()} within ${mostMs} ms`)), mostMs);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** Follows topics of the log: what is stored, and what is stored next. */
export class Stored {
  readonly records: LogRecord[] = [];
  private readonly waiting = new Set<() => void>();

  private constructor(private readonly socket: WebSocket) {}

  static async from(gateway: string, topics: string, keys: string[], from = "earliest"): Promise<Stored> {
    const key = keys.length > 0 ? `&key=${keys.join(",")}` : "";
    const stored = new Stored(open(gateway, `/v1/topics/${topics}?from=${from}${key}`));
    await soon(
      new Promise<void>((resolve, reject) => {
        stored.socket.on("error", reject);
        stored.socket.on("message", (data) => {
          const frame = parseReaderFrame(String(data));
          if (frame.kind === "hello") {
            resolve();
          } else if (frame.kind === "records") {
            stored.records.push(...frame.records);
            stored.waiting.forEach((look) => look());
          }
        });
      }),
      () => `no hello of ${gateway}`,
    );
    return stored;
  }

  get rows(): Record<string, number>[] {
    return this.records.map(({ value }) => value as Record<string, number>);
  }

  /** Resolves as soon as `found` holds for what is stored. */
  until(found: (rows: Record<string, number>[]) => boolean, what: string): Promise<void> {
    let look: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      look = () => {
        if (found(this.rows)) {
          resolve();
        }
      };
      this.waiting.add(look);
      look();
    });
    return soon(held, () => `not stored: ${what}; ${this.records.length} rows are`).finally(() =>
      this.waiting.delete(look),
    );
  }

  onRecord(take: (record: LogRecord) => void): void {
    let seen = this.records.length;
    this.waiting.add(() => {
      while (seen < this.records.length) {
        take(this.records[seen++] as LogRecord);
      }
    });
  }

  close(): void {
    this.socket.close();
  }
}

/** Writes rows that carry their rider in the field `rider`. */
export class Writer {
  private acknowledged = 0;
  private sent = 0;
  private readonly waiting = new Set<() => void>();

  private constructor(private readonly socket: WebSocket) {}

  static async to(gateway: string, topic: string): Promise<Writer> {
    const path = `/v1/topics/${topic}?key_field=rider&timestamp_field=timestamp`;
    const writer = new Writer(open(gateway, path));
    await soon(
      new Promise<void>((resolve, reject) => {
        writer.socket.on("error", reject);
        writer.socket.on("message", (data) => {
          const frame = parseWriterFrame(String(data));
          if (frame.kind === "refused") {
            throw new Error(frame.error);
          }
          if (frame.kind === "ack") {
            writer.acknowledged = frame.sequence;
            writer.waiting.forEach((look) => look());
          }
          resolve();
        });
      }),
      () => `no hello of ${gateway}`,
    );
    return writer;
  }

  /** Resolves when the log has the rows. */
  write(rows: { rider: string; timestamp: number; [field: string]: unknown }[]): Promise<void> {
    this.socket.send(JSON.stringify(rows));
    const number = ++this.sent;
    let look: () => void = () => undefined;
    const stored = new Promise<void>((resolve) => {
      look = () => {
        if (this.acknowledged >= number) {
          resolve();
        }
      };
      this.waiting.add(look);
      look();
    });
    return soon(stored, () => `no acknowledgement of message ${number}`).finally(() => this.waiting.delete(look));
  }

  close(): void {
    this.socket.close();
  }
}
