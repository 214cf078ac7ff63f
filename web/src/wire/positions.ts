/** Where a reader stands: the next offset of each partition, `alerts:0:17,phone-data:3:2`. */

import { ProtocolError } from "./frames";

export class Positions {
  private readonly next = new Map<string, number>();

  /** @throws ProtocolError if `text` is not a list of topic:partition:offset. */
  static parse(text: string): Positions {
    const positions = new Positions();
    for (const part of text.split(",").filter((piece) => piece !== "")) {
      const match = /^([A-Za-z0-9._-]+):(\d+):(\d+)$/.exec(part);
      if (!match) {
        throw new ProtocolError(`a position is topic:partition:offset, this one is ${JSON.stringify(part)}`);
      }
      positions.next.set(`${match[1]}:${match[2]}`, Number(match[3]));
    }
    return positions;
  }

  /** Takes over the partitions that `moved` names; the others stay. */
  advance(moved: Positions): void {
    for (const [partition, offset] of moved.next) {
      this.next.set(partition, offset);
    }
  }

  /** Whether each partition that is named here is there, too, with the same offset. */
  within(other: Positions): boolean {
    return [...this.next].every(([partition, offset]) => other.next.get(partition) === offset);
  }

  get empty(): boolean {
    return this.next.size === 0;
  }

  toString(): string {
    return [...this.next].map(([partition, offset]) => `${partition}:${offset}`).join(",");
  }
}
