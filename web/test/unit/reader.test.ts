import assert from "node:assert/strict";
import { test } from "node:test";
import { Reader } from "../../src/dashboard/reader";
import { Backoff } from "../../src/wire/backoff";
import type { LogRecord } from "../../src/wire/frames";
import type { Refusal } from "../../src/wire/gateway";
import type { Socket } from "../../src/wire/socket";
import { FakeClock } from "../support/fake_clock";

class ReaderSocket implements Socket {
  onmessage: ((event: MessageEvent) => void) | null = null;
  onclose: ((event: CloseEvent) => void) | null = null;
  readonly readyState = 1;
  closed = false;

  constructor(readonly from: string) {}

  say(frame: unknown): void {
    this.onmessage?.({ data: JSON.stringify(frame) } as MessageEvent);
  }

  end(code: number, reason = ""): void {
    this.onclose?.({ code, reason } as CloseEvent);
  }

  send(): void {}

  close(): void {
    this.closed = true;
  }
}

class World {
  readonly sockets: ReaderSocket[] = [];
  readonly records: LogRecord[] = [];
  readonly conflated: boolean[] = [];
  readonly states: string[] = [];
  /** Where the sockets were to read from, of which it was asked why they were refused. */
  readonly asked: string[] = [];
  refusal: Refusal | null = { reason: "a token is wanted", wantsToken: true };
  readonly clock = new FakeClock();
  readonly reader: Reader = new Reader({
    from: "latest",
    clock: this.clock,
    backoff: new Backoff(500, 10_000, () => 1),
    connect: (from) => {
      this.sockets.push(new ReaderSocket(from));
      return this.socket;
    },
    onRecords: (records, conflated) => {
      this.records.push(...records);
      this.conflated.push(conflated);
    },
    onChange: () => this.states.push(this.reader.state.kind),
    whyRefused: (from) => {
      this.asked.push(from);
      return Promise.resolve(this.refusal);
    },
  });

  get socket(): ReaderSocket {
    return this.sockets.at(-1) as ReaderSocket;
  }

  /** Why the reader waits, and whether another token may help. */
  get told(): unknown {
    const { state } = this.reader;
    return state.kind === "waiting" && [state.reason, state.wantsToken];
  }

  hello(position = "alerts:0:5,alerts:1:7"): void {
    this.socket.say({ hello: { position } });
  }

  record(offset: number, conflated = false): void {
    const record = { topic: "alerts", partition: 0, offset, timestamp: 1, key: "ann", value: {} };
    this.socket.say({ records: [record], position: `alerts:0:${offset + 1}`, ...(conflated ? { conflated } : {}) });
  }
}

test("after a break a reader goes on from the newest position of every partition", () => {
  const world = new World();
  world.reader.start();
  assert.equal(world.socket.from, "latest");
  world.hello();
  world.record(5);
  world.socket.end(1006);
  assert.equal(world.reader.state.kind, "waiting");
  world.clock.advance(500);
  assert.equal(world.socket.from, "alerts:0:6,alerts:1:7");
  world.hello("alerts:0:6,alerts:1:7");
  assert.equal(world.reader.state.kind, "open");
});

test("an old socket says nothing any more", () => {
  const world = new World();
  world.reader.start();
  world.hello();
  const old = world.socket;
  world.reader.drop("offline");
  world.reader.start();
  old.say({ records: [], position: "alerts:0:99" });
  old.end(1006);
  world.hello();
  assert.deepEqual([world.sockets.length, world.reader.state.kind, old.closed], [2, "open", true]);
});

test("conflation is passed on", () => {
  const world = new World();
  world.reader.start();
  world.hello();
  world.record(5);
  world.record(9, true);
  assert.deepEqual(world.conflated, [false, true]);
});

test("closed for slowness it goes on, and the third time within a minute it passes over what waits", () => {
  const world = new World();
  world.reader.start();
  for (const expected of ["alerts:0:5,alerts:1:7", "alerts:0:5,alerts:1:7", "latest"]) {
    world.hello();
    world.socket.end(1013, "alerts:0:5,alerts:1:7");
    world.clock.advance(10_000);
    assert.equal(world.socket.from, expected);
  }
  assert.equal(world.reader.skips, 1);
});

test("a refused handshake says why", async () => {
  const world = new World();
  world.reader.start();
  world.socket.end(1006);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(world.told, ["a token is wanted", true]);
});

test("of a refused handshake it is asked why with the positions that were refused", () => {
  const world = new World();
  world.reader.start();
  world.socket.end(1006);
  world.clock.advance(500);
  world.hello();
  world.record(5);
  world.socket.end(1006); // it had been let in
  world.clock.advance(500);
  world.socket.end(1006);
  assert.deepEqual(world.asked, ["latest", "alerts:0:6,alerts:1:7"]);
});

test("why a handshake was refused is told until another reason is known", async () => {
  const world = new World();
  world.reader.start();
  const refuse = async (refusal: Refusal | null): Promise<void> => {
    world.refusal = refusal;
    world.socket.end(1006);
    const before = world.told;
    await new Promise((resolve) => setImmediate(resolve));
    seen.push(before, world.told);
    world.clock.advance(10_000);
  };
  const seen: unknown[] = [];
  const token: Refusal = { reason: "a token is wanted", wantsToken: true };
  await refuse(token);
  await refuse(token);
  await refuse(null);
  world.hello();
  await refuse(token);
  const [wanted, away] = [
    ["a token is wanted", true],
    ["No connection.", false],
  ];
  assert.deepEqual(seen, [away, wanted, wanted, wanted, wanted, away, away, away]);
});

test("an answer that comes late takes no newer reason away", async () => {
  const world = new World();
  world.reader.start();
  world.socket.end(1006);
  world.reader.start();
  world.reader.drop("This device is offline.");
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(world.told, ["This device is offline.", false]);
});

test("a frame that is none ends the connection", () => {
  const world = new World();
  world.reader.start();
  world.hello();
  world.socket.say({ strange: 1 });
  assert.match(JSON.stringify(world.reader.state), /wanted hello or records/);
});

test("where nobody rides a new socket is asked each minute, and that is no trouble", () => {
  const world = new World();
  world.reader.start();
  world.hello();
  for (let minute = 2; minute < 5; minute += 1) {
    const old = world.socket;
    world.clock.advance(60_000);
    assert.deepEqual([world.sockets.length, old.closed, world.reader.state.kind], [minute, true, "open"]);
    assert.equal(world.socket.from, "alerts:0:5,alerts:1:7");
    world.hello();
  }
  assert.deepEqual([...new Set(world.states)], ["connecting", "open"]);
});

test("a dead connection is found by the new socket's silence", () => {
  const world = new World();
  world.reader.start();
  world.hello();
  world.clock.advance(60_000);
  world.clock.advance(10_000);
  assert.match(JSON.stringify(world.reader.state), /"waiting".*does not answer/);
});

test("the positions of hello are the reader's own, and it counts where they are not those it asked for", () => {
  const world = new World();
  world.reader.start();
  world.hello();
  world.record(5);
  world.socket.end(1006);
  world.clock.advance(500);
  world.hello("alerts:0:6,alerts:1:7,alerts:2:0");
  assert.equal(world.reader.moves, 0);
  world.socket.end(1006);
  world.clock.advance(500);
  assert.equal(world.socket.from, "alerts:0:6,alerts:1:7,alerts:2:0");
  // Another log, with fewer partitions and rows.
  world.hello("alerts:0:2,alerts:1:0");
  assert.equal(world.reader.moves, 1);
  assert.equal(world.reader.state.kind, "open");
  world.record(2);
  world.socket.end(1006);
  world.clock.advance(500);
  assert.equal(world.socket.from, "alerts:0:3,alerts:1:0");
});
