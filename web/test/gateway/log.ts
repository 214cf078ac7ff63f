/** Topics in memory, for the gateway of the tests. */

export interface StoredRecord {
  topic: string;
  partition: number;
  offset: number;
  timestamp: number;
  key: string | null;
  headers?: [string, string][];
  value: unknown;
}

export class MemoryLog {
  private readonly topics = new Map<string, StoredRecord[][]>();
  private readonly followers = new Set<() => void>();
  /** The last message of each session that was answered, and which of them were refused. */
  readonly sequences = new Map<string, number>();
  readonly refused = new Map<string, [number, number][]>();

  constructor(partitions: Record<string, number>) {
    for (const [topic, count] of Object.entries(partitions)) {
      this.topics.set(topic, Array.from({ length: count }, () => []));
    }
  }

  has(topic: string): boolean {
    return this.topics.has(topic);
  }

  partitions(topic: string): StoredRecord[][] {
    return this.topics.get(topic) ?? [];
  }

  /** All or nothing, with the session's sequence; returns [partition, first offset, last offset]. */
  append(
    topic: string,
    rows: Omit<StoredRecord, "topic" | "partition" | "offset">[],
    session: string | null,
    sequence: number,
  ): [number, number, number][] {
    const touched = new Map<number, [number, number, number]>();
    for (const row of rows) {
      const all = this.partitions(topic);
      const partition = hash(row.key ?? "") % all.length;
      const records = all[partition] as StoredRecord[];
      const offset = records.length;
      records.push({ topic, partition, offset, ...row });
      touched.set(partition, [partition, touched.get(partition)?.[1] ?? offset, offset]);
    }
    if (session) {
      this.sequences.set(`${topic}/${session}`, sequence);
    }
    queueMicrotask(() => this.followers.forEach((follower) => follower()));
    return [...touched.values()];
  }

  refuse(session: string, sequence: number): void {
    this.sequences.set(session, sequence);
    const before = this.refused.get(session) ?? [];
    this.refused.set(session, [...before, [sequence, sequence] as [number, number]].slice(-64));
  }

  follow(follower: () => void): () => void {
    this.followers.add(follower);
    return () => this.followers.delete(follower);
  }
}

function hash(key: string): number {
  let value = 0;
  for (const letter of key) {
    value = (value * 31 + (letter.codePointAt(0) ?? 0)) >>> 0;
  }
  return value;
}
