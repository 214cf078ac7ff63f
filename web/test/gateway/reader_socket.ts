/** One reader of the gateway of the tests. */

import type { WebSocket } from "ws";
import { Positions } from "../../src/wire/positions";
import type { MemoryLog, StoredRecord } from "./log";

const FRAME_RECORDS = 500;
const CONFLATE_BYTES = 512_000;
const MOST_BYTES = 2_000_000;

export class ReaderSocket {
  /** topic:partition → next offset */
  private readonly next = new Map<string, number>();
  private readonly keys: string[] | null;
  private readonly conflate: boolean;

  constructor(
    private readonly client: WebSocket,
    private readonly log: MemoryLog,
    private readonly topics: string[],
    query: URLSearchParams,
    remembered: Map<string, string>,
  ) {
    this.keys = query.get("key")?.split(",") ?? null;
    this.conflate = query.get("conflate") === "true";
    const session = query.get("session");
    const asked = query.get("from") ?? "latest";
    this.begin(asked === "session" ? (remembered.get(session ?? "") ?? "latest") : asked);
    client.send(JSON.stringify({ hello: { position: this.position(this.next.keys()) } }));
    const leave = log.follow(() => this.send());
    client.on("close", leave);
    client.on("message", (data) => {
      const { position } = JSON.parse(String(data)) as { position: string };
      remembered.set(session ?? "", position);
    });
    this.send();
  }

  private begin(from: string): void {
    for (const topic of this.topics) {
      this.log.partitions(topic).forEach((records, partition) => {
        this.next.set(`${topic}:${partition}`, from === "earliest" ? 0 : records.length);
      });
    }
    if (from !== "earliest" && from !== "latest") {
      for (const part of Positions.parse(from).toString().split(",")) {
        const [topic, partition, offset] = part.split(":");
        this.next.set(`${topic}:${partition}`, Number(offset));
      }
    }
  }

  private position(partitions: Iterable<string>): string {
    return [...partitions].map((partition) => `${partition}:${this.next.get(partition)}`).join(",");
  }

  private send(): void {
    if (this.client.readyState !== this.client.OPEN) {
      return;
    }
    const waiting = this.client.bufferedAmount;
    if (waiting > MOST_BYTES) {
      // A reason has room for 123 bytes.
      const position = this.position(this.next.keys()).split(",");
      while (position.join(",").length > 123) {
        position.pop();
      }
      this.client.close(1013, position.join(","));
      return;
    }
    const [records, moved] = this.take();
    if (moved.size === 0) {
      return;
    }
    const slow = this.conflate && waiting > CONFLATE_BYTES;
    const chosen = slow ? newest(records) : records;
    for (let first = 0; first === 0 || first < chosen.length; first += FRAME_RECORDS) {
      const part = chosen.slice(first, first + FRAME_RECORDS);
      const last = first + FRAME_RECORDS >= chosen.length;
      const frame = { records: part, position: last ? this.position(moved) : "", ...(slow ? { conflated: true } : {}) };
      this.client.send(JSON.stringify(frame));
    }
  }

  private take(): [StoredRecord[], Set<string>] {
    const found: StoredRecord[] = [];
    const moved = new Set<string>();
    for (const [name, offset] of this.next) {
      const [topic, partition] = name.split(":") as [string, string];
      const records = this.log.partitions(topic)[Number(partition)] ?? [];
      if (records.length > offset) {
        moved.add(name);
        this.next.set(name, records.length);
        found.push(...records.slice(offset).filter(({ key }) => !this.keys || this.keys.includes(key ?? "")));
      }
    }
    return [found, moved];
  }
}

function newest(records: StoredRecord[]): StoredRecord[] {
  return [...new Map(records.map((record) => [`${record.topic}/${record.key}`, record])).values()];
}
