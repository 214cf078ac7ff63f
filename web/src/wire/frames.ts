/** The frames that the gateway sends, checked: what is wrong in one says what was wanted and what was there. */

import { Positions } from "./positions";

/** A frame is not what the protocol says. The connection is worth nothing any more; a new one may be. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}

/** Numbers of messages from the first to the last. */
export type Range = [first: number, last: number];

export type WriterFrame =
  | { kind: "hello"; sequence: number; refused: Range[] }
  | { kind: "ack"; sequence: number }
  | { kind: "refused"; sequence: number; error: string };

/** A record as a reader gets it. `value` is undefined where the record's value is no JSON, null for a tombstone. */
export interface LogRecord {
  topic: string;
  partition: number;
  offset: number;
  timestamp: number;
  key: string | null;
  value: unknown;
}

export type ReaderFrame =
  | { kind: "hello"; position: Positions }
  | { kind: "records"; records: LogRecord[]; position: Positions; conflated: boolean }
  | { kind: "goodbye"; position: Positions }; // before a close frame that has no room for it

type Fields = Record<string, unknown>;

function fields(data: unknown): Fields {
  if (typeof data !== "string") {
    throw new ProtocolError("a frame of the gateway is text, this one is binary");
  }
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch (error) {
    throw new ProtocolError(`a frame of the gateway is JSON: ${(error as Error).message}`);
  }
  return object(value, "a frame of the gateway");
}

function object(value: unknown, what: string): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new ProtocolError(`${what} is an object, this one is ${excerpt(value)}`);
  }
  return value as Fields;
}

function excerpt(value: unknown): string {
  return (JSON.stringify(value) ?? "absent").slice(0, 80);
}

function count(value: unknown, what: string): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) {
    throw new ProtocolError(`${what} is a whole number, this one is ${excerpt(value)}`);
  }
  return value;
}

function text(value: unknown, what: string): string {
  if (typeof value !== "string") {
    throw new ProtocolError(`${what} is a string, this one is ${excerpt(value)}`);
  }
  return value;
}

function ranges(value: unknown, what: string): Range[] {
  if (!Array.isArray(value)) {
    throw new ProtocolError(`${what} is a list of [first, last], this one is ${excerpt(value)}`);
  }
  return value.map((range: unknown) => {
    if (!Array.isArray(range) || range.length !== 2) {
      throw new ProtocolError(`${what} is a list of [first, last], one of them is ${excerpt(range)}`);
    }
    return [count(range[0], `${what}: a first number`), count(range[1], `${what}: a last number`)];
  });
}

/** @throws ProtocolError */
export function parseWriterFrame(data: unknown): WriterFrame {
  const frame = fields(data);
  if ("hello" in frame) {
    const hello = object(frame["hello"], "hello");
    const sequence = count(hello["sequence"], "the sequence of hello");
    return { kind: "hello", sequence, refused: ranges(hello["refused"] ?? [], "refused of hello") };
  }
  if ("ack" in frame) {
    return { kind: "ack", sequence: count(frame["ack"], "ack") };
  }
  if ("refused" in frame) {
    const error = text(frame["error"] ?? "no reason given", "the error of refused");
    return { kind: "refused", sequence: count(frame["refused"], "refused"), error };
  }
  throw new ProtocolError(`wanted hello, ack or refused, got ${excerpt(frame)}`);
}

function parseRecord(value: unknown): LogRecord {
  const record = object(value, "a record");
  const key = record["key"];
  return {
    topic: text(record["topic"], "the topic of a record"),
    partition: count(record["partition"], "the partition of a record"),
    offset: count(record["offset"], "the offset of a record"),
    timestamp: count(record["timestamp"], "the timestamp of a record"),
    key: typeof key === "string" ? key : null,
    value: record["value"],
  };
}

/** @throws ProtocolError */
export function parseReaderFrame(data: unknown): ReaderFrame {
  const frame = fields(data);
  if ("hello" in frame) {
    const hello = object(frame["hello"], "hello");
    return { kind: "hello", position: Positions.parse(text(hello["position"], "the position of hello")) };
  }
  const records = frame["records"];
  if (records === undefined && "position" in frame) {
    return { kind: "goodbye", position: Positions.parse(text(frame["position"], "the position")) };
  }
  if (!Array.isArray(records)) {
    throw new ProtocolError(`wanted hello or records, got ${excerpt(frame)}`);
  }
  return {
    kind: "records",
    records: records.map(parseRecord),
    position: Positions.parse(text(frame["position"], "the position of records")),
    conflated: frame["conflated"] === true,
  };
}
