import assert from "node:assert/strict";
import { test } from "node:test";
import { IDBObjectStore as FDBObjectStore } from "fake-indexeddb";
import { REASON_LOST } from "../../src/phone/store";
import { FakeClock } from "../support/fake_clock";
import { type Fate, FakeGateway } from "../support/fake_gateway";
import { newDisk, numbers, Phone, range } from "../support/phone";

test("rows go out as they are measured, one message each", async () => {
  const gateway = new FakeGateway();
  const phone = await Phone.open(newDisk(), gateway);
  await phone.measure(1);
  await phone.measure(2);
  assert.deepEqual(gateway.sockets[0]?.sent, ['[{"n":1}]', '[{"n":2}]']);
  assert.equal(phone.sender.acknowledgedRows, 2);
  assert.deepEqual(await phone.store.counts(), { waiting: 0, refused: 0 });
});

test("what was measured offline goes out in few messages", async () => {
  const gateway = new FakeGateway();
  gateway.reachable = false;
  const phone = await Phone.open(newDisk(), gateway);
  for (const n of range(0, 300)) {
    await phone.measure(n);
  }
  gateway.reachable = true;
  await phone.drain();
  assert.deepEqual(numbers(gateway), range(0, 300));
  assert.equal(gateway.bodies.size, 5);
});

test("an answer that is lost makes no row twice", async () => {
  const gateway = new FakeGateway();
  const phone = await Phone.open(newDisk(), gateway);
  gateway.fate = () => "answer lost";
  await phone.measure(1);
  gateway.fate = () => "answered";
  await phone.measure(2);
  await phone.drain();
  assert.deepEqual(numbers(gateway), [1, 2]);
});

test("a message that was lost on the way is sent again as it was cut, though more rows wait", async () => {
  const gateway = new FakeGateway();
  const phone = await Phone.open(newDisk(), gateway);
  gateway.fate = () => "lost";
  await phone.measure(1);
  await phone.measure(2, 3);
  gateway.fate = () => "answered";
  await phone.drain();
  assert.deepEqual(gateway.open[0]?.sent, ['[{"n":1}]', '[{"n":2},{"n":3}]']);
});

test("a page that is opened anew goes on in the session of the last", async () => {
  const [gateway, disk] = [new FakeGateway(), newDisk()];
  const before = await Phone.open(disk, gateway);
  await before.measure(1);
  gateway.fate = () => "answer lost";
  await before.measure(2);
  gateway.reachable = false;
  await before.measure(3);
  before.sender.stop();
  gateway.reachable = true;
  gateway.fate = () => "answered";
  const after = await Phone.open(disk, gateway);
  await after.drain();
  assert.deepEqual(numbers(gateway), [1, 2, 3]);
  assert.equal(new Set(gateway.sockets.map(({ session }) => session.id)).size, 1);
});

test("rows of an earlier visit go out before a rider is chosen", async () => {
  const [gateway, disk] = [new FakeGateway(), newDisk()];
  gateway.reachable = false;
  const before = await Phone.open(disk, gateway);
  await before.measure(1);
  before.sender.stop();
  gateway.reachable = true;
  const after = await Phone.open(disk, gateway, new FakeClock(), "");
  await after.drain();
  assert.deepEqual(numbers(gateway), [1]);
});

test("a tab that was taken over writes nothing and says so", async () => {
  const [gateway, disk] = [new FakeGateway(), newDisk()];
  const first = await Phone.open(disk, gateway);
  await first.measure(1);
  const second = await Phone.open(disk, gateway);
  await assert.rejects(first.measure(2), { name: "TakenOver" });
  await first.wait(500);
  assert.equal(first.sender.state.kind, "elsewhere");
  await second.measure(3);
  await second.drain();
  assert.deepEqual(numbers(gateway), [1, 3]);
});

const kindOf = (phone: Phone): string => phone.sender.state.kind;

test("a session that is opened elsewhere is taken back once; the second time in a minute it is left", async () => {
  const gateway = new FakeGateway();
  const phone = await Phone.open(newDisk(), gateway);
  gateway.cut(4000);
  await phone.quiet();
  assert.match(JSON.stringify(phone.sender.state), /"waiting".*session was opened elsewhere, too/);
  await phone.measure(1);
  await phone.wait(500);
  assert.equal(kindOf(phone), "open");
  assert.deepEqual(numbers(gateway), [1]);
  await phone.wait(59_000);
  gateway.cut(4000);
  await phone.quiet();
  await phone.wait(60_000);
  assert.equal(kindOf(phone), "elsewhere");
  assert.equal(gateway.sockets.length, 2);
  phone.sender.start();
  await phone.quiet();
  assert.equal(kindOf(phone), "open");
  await phone.wait(61_000);
  gateway.cut(4000);
  await phone.quiet();
  await phone.wait(500);
  assert.equal(kindOf(phone), "open");
});

test("rows stay with the rider who was chosen when they were measured", async () => {
  const gateway = new FakeGateway();
  gateway.reachable = false;
  const phone = await Phone.open(newDisk(), gateway);
  await phone.measure(1);
  await phone.useRider("bob");
  await phone.measure(2);
  await phone.useRider("ann");
  await phone.measure(3);
  gateway.reachable = true;
  await phone.drain();
  assert.deepEqual(numbers(gateway, "ann"), [1, 3]);
  assert.deepEqual(numbers(gateway, "bob"), [2]);
  assert.equal((await phone.store.sessionToSend())?.rider, "ann");
});

test("a gateway that knows less than it acknowledged is another log: what waits goes there under a new session", async () => {
  const gateway = new FakeGateway();
  const phone = await Phone.open(newDisk(), gateway);
  await phone.measure(1);
  await phone.measure(2);
  gateway.fate = () => "lost";
  await phone.measure(3);
  gateway.fate = () => "answered";
  gateway.sequences.clear();
  gateway.stored.length = 0;
  await phone.measure(4);
  await phone.drain();
  assert.deepEqual(numbers(gateway), [3, 4]);
  assert.equal(new Set(gateway.sockets.map(({ session }) => session.id)).size, 2);
});

test("a gateway that knows more than was ever sent: rows go on under a new session", async () => {
  const gateway = new FakeGateway();
  const phone = await Phone.open(newDisk(), gateway);
  await phone.measure(1);
  gateway.reachable = false;
  gateway.cut();
  await phone.measure(2);
  const session = gateway.sockets[0]?.session.id as string;
  gateway.sequences.set(session, 40);
  gateway.reachable = true;
  await phone.drain();
  assert.deepEqual(numbers(gateway), [1, 2]);
  assert.equal(gateway.sequences.get(session), 40);
});

const REFUSE_TWO = (body: string) => (body.includes('"n":2}') ? "row 1: not this one" : null);

test("a refused message is kept to be seen, its number is used up, and the rest goes on", async () => {
  const gateway = new FakeGateway();
  gateway.refuse = REFUSE_TWO;
  const phone = await Phone.open(newDisk(), gateway);
  await phone.measure(1);
  await phone.measure(2);
  assert.deepEqual(await phone.store.counts(), { waiting: 0, refused: 1 });
  assert.equal(await phone.store.whyRefused(), "row 1: not this one");
  gateway.cut();
  await phone.quiet();
  await phone.wait(60_000);
  await phone.measure(3);
  assert.deepEqual(numbers(gateway), [1, 3]);
  assert.equal(phone.sender.acknowledgedRows, 2);
  assert.deepEqual(gateway.sockets.at(-1)?.sent, ['[{"n":3}]']);
  assert.deepEqual(await phone.store.refused(), [
    { id: 1, rider: "ann", body: '[{"n":2}]', rows: 1, error: "row 1: not this one" },
  ]);
  await phone.store.clearRefused();
  assert.deepEqual(await phone.store.counts(), { waiting: 0, refused: 0 });
  assert.equal(await phone.store.whyRefused(), null);
});

test("a refusal whose answer is lost makes no row vanish: the next hello tells which were refused", async () => {
  const gateway = new FakeGateway();
  gateway.refuse = REFUSE_TWO;
  const phone = await Phone.open(newDisk(), gateway);
  await phone.measure(1);
  gateway.fate = () => "answer lost";
  await phone.measure(2);
  gateway.fate = () => "answered";
  await phone.drain();
  await phone.measure(3);
  assert.deepEqual(numbers(gateway), [1, 3]);
  assert.deepEqual(
    (await phone.store.refused()).map(({ body, error }) => [body, error]),
    [['[{"n":2}]', REASON_LOST]],
  );
  assert.deepEqual(await phone.store.counts(), { waiting: 0, refused: 1 });
  assert.equal(phone.sender.acknowledgedRows, 2);
});

test("of messages whose answers were all lost, hello tells the stored from the refused", async () => {
  const gateway = new FakeGateway();
  const phone = await Phone.open(newDisk(), gateway);
  const [socket] = gateway.sockets;
  assert.ok(socket);
  const { say } = socket;
  socket.say = () => undefined;
  gateway.refuse = (body) => (/"n":[24]}/.test(body) ? "no" : null);
  for (const n of range(1, 6)) {
    await phone.measure(n);
  }
  socket.say = say;
  gateway.cut();
  await phone.quiet();
  await phone.wait(1000);
  assert.deepEqual(numbers(gateway), [1, 3, 5]);
  assert.deepEqual((await phone.store.refused()).map(({ body }) => body), ['[{"n":2}]', '[{"n":4}]']);
  assert.deepEqual(await phone.store.counts(), { waiting: 0, refused: 2 });
  assert.equal(phone.sender.acknowledgedRows, 3);
});

test("fewer messages are on their way than refused numbers are remembered", async () => {
  const gateway = new FakeGateway();
  gateway.reachable = false;
  const phone = await Phone.open(newDisk(), gateway);
  for (const n of range(0, 20)) {
    const rows = range(n * 400, n * 400 + 400).map((row) => JSON.stringify({ n: row }));
    await phone.store.append(await phone.store.useRider("ann"), rows);
  }
  gateway.reachable = true;
  gateway.refuse = () => "no";
  phone.sender.retryNow();
  await phone.quiet();
  gateway.open.forEach((socket) => (socket.say = () => undefined));
  for (let second = 0; second < 10; second += 1) {
    await phone.wait(1000);
  }
  const [socket] = gateway.open;
  assert.ok(socket);
  const unanswered = (await phone.store.sessionToSend()) as { sealed: number; acked: number };
  assert.ok(unanswered.sealed - unanswered.acked < 64, JSON.stringify(unanswered));
  gateway.cut();
  await phone.quiet();
  await phone.drain();
  assert.deepEqual(gateway.stored, []);
  assert.deepEqual(await phone.store.counts(), { waiting: 0, refused: 8000 });
});

test("rows that come into the store late are of the ride they were measured on, also if that is over", async () => {
  const gateway = new FakeGateway();
  const phone = await Phone.open(newDisk(), gateway);
  const ann = await phone.store.useRider("ann");
  await phone.measure(1);
  await phone.useRider("bob");
  await phone.measure(2);
  await phone.quiet();
  await phone.store.append(ann, ['{"n":3}']);
  await phone.measure(4);
  await phone.drain();
  assert.deepEqual(numbers(gateway, "ann"), [1, 3]);
  assert.deepEqual(numbers(gateway, "bob"), [2, 4]);
});

test("a database that the browser closes is opened anew, and nothing is lost", async () => {
  const [gateway, disk] = [new FakeGateway(), newDisk()];
  const phone = await Phone.open(disk, gateway);
  await phone.measure(1);
  phone.store.close();
  await Promise.all([phone.measure(2), phone.store.counts(), phone.measure(3)]);
  await phone.drain();
  assert.deepEqual(numbers(gateway), [1, 2, 3]);
  // But a tab that was taken over meanwhile stays so.
  await Phone.open(disk, gateway);
  phone.store.close();
  await assert.rejects(phone.measure(4), { name: "TakenOver" });
});

test("a database that is cleared away under the page begins anew with what is measured then", async () => {
  const [gateway, disk] = [new FakeGateway(), newDisk()];
  const phone = await Phone.open(disk, gateway);
  await phone.measure(1);
  phone.store.close();
  await new Promise((resolve) => (disk.deleteDatabase("tiderace-phone").onsuccess = resolve));
  await phone.measure(2);
  await phone.drain();
  await phone.measure(3);
  await phone.drain();
  assert.deepEqual(numbers(gateway), [1, 2, 3]);
  assert.equal((await phone.store.sessionToSend())?.rider, "ann");
});

test("counts cost the same however many rows wait, and are right after a visit", async () => {
  const [gateway, disk] = [new FakeGateway(), newDisk()];
  gateway.reachable = false;
  const phone = await Phone.open(disk, gateway);
  await phone.measure(...range(0, 500));
  assert.deepEqual(await phone.store.counts(), { waiting: 500, refused: 0 });
  const { openCursor, count } = FDBObjectStore.prototype;
  FDBObjectStore.prototype.openCursor = FDBObjectStore.prototype.count = () => assert.fail("rows were counted");
  try {
    assert.deepEqual(await phone.store.counts(), { waiting: 500, refused: 0 });
    assert.equal(await phone.store.whyRefused(), null);
  } finally {
    Object.assign(FDBObjectStore.prototype, { openCursor, count });
  }
  const again = await Phone.open(disk, gateway);
  assert.deepEqual(await again.store.counts(), { waiting: 500, refused: 0 });
});

test("why a handshake was refused is told until one is not", async () => {
  const gateway = new FakeGateway();
  gateway.reachable = false;
  gateway.refusal = { reason: "a token is wanted", wantsToken: true };
  const phone = await Phone.open(newDisk(), gateway);
  const told = (): unknown => {
    const { state } = phone.sender;
    return state.kind === "waiting" && [state.reason, state.wantsToken];
  };
  assert.deepEqual(told(), ["a token is wanted", true]);
  await phone.wait(500);
  assert.deepEqual(told(), ["a token is wanted", true]);
  gateway.reachable = true;
  await phone.wait(15_000);
  assert.equal(phone.sender.state.kind, "open");
  gateway.cut(1001);
  await phone.quiet();
  assert.deepEqual(told(), ["The gateway is ending; it may be starting anew.", false]);
});

test("a socket that acknowledges nothing is given up", async () => {
  const gateway = new FakeGateway();
  const phone = await Phone.open(newDisk(), gateway);
  const socket = gateway.sockets[0];
  assert.ok(socket);
  socket.say = () => undefined;
  await phone.measure(1);
  await phone.wait(15_000);
  assert.equal(phone.sender.state.kind, "waiting");
  await phone.wait(500);
  assert.equal(phone.sender.state.kind, "open");
  assert.deepEqual(numbers(gateway), [1]);
});

test("an answer to a message that was not asked for ends the connection", async () => {
  const gateway = new FakeGateway();
  const phone = await Phone.open(newDisk(), gateway);
  gateway.sockets[0]?.say({ ack: 7, offsets: [] });
  await phone.quiet();
  assert.deepEqual(phone.sender.state.kind, "waiting");
  assert.match(JSON.stringify(phone.sender.state), /wanted an answer to message 1, got one to 7/);
});

test("a backlog goes out at a pace below the gateway's limit", async () => {
  const gateway = new FakeGateway();
  gateway.reachable = false;
  const clock = new FakeClock();
  const phone = await Phone.open(newDisk(), gateway, clock);
  await phone.store.append(await phone.store.useRider("ann"), range(0, 64 * 70).map((n) => JSON.stringify({ n })));
  gateway.reachable = true;
  await phone.wait(500);
  const begun = gateway.bodies.size;
  await phone.wait(1000);
  assert.ok(begun <= 25, `${begun} at once`);
  assert.ok(gateway.bodies.size - begun <= 40, `${gateway.bodies.size - begun} in a second`);
  await phone.drain();
  assert.deepEqual(numbers(gateway), range(0, 64 * 70));
});

/** A small generator of numbers below 1, so that a failure can be played again. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

for (const seed of range(1, 31)) {
  test(`each row is stored once or kept as refused, whatever goes wrong (seed ${seed})`, async () => {
    const random = generator(seed);
    const [gateway, disk, clock] = [new FakeGateway(), newDisk(), new FakeClock()];
    const fates: Fate[] = ["answered", "answered", "answered", "answer lost", "lost"];
    gateway.fate = () => fates[Math.floor(random() * fates.length)] as Fate;
    gateway.refuse = (body) => (/"n":\d*7}/.test(body) ? "no" : null);
    let phone = await Phone.open(disk, gateway, clock);
    let measured = 0;
    for (let step = 0; step < 120; step += 1) {
      const dice = random();
      if (dice < 0.6) {
        const count = 1 + Math.floor(random() * 3);
        await phone.measure(...range(measured, (measured += count)));
      } else if (dice < 0.75) {
        await phone.wait(Math.floor(random() * 20_000));
      } else if (dice < 0.85) {
        gateway.reachable = !gateway.reachable;
        gateway.cut();
      } else if (dice < 0.92) {
        // The page is gone in the middle of whatever it did; its sockets live on for the gateway until it notices.
        phone = await Phone.open(disk, gateway, clock);
      } else {
        phone.sender.dropConnection("offline");
      }
    }
    gateway.reachable = true;
    gateway.fate = () => "answered";
    await phone.wait(60_000);
    await phone.drain();
    const refused = (await phone.store.refused()).flatMap(({ body }) => JSON.parse(body) as { n: number }[]);
    const all = [...numbers(gateway), ...refused.map(({ n }) => n)].sort((one, other) => one - other);
    assert.deepEqual(all, range(0, measured));
    assert.deepEqual(await phone.store.counts(), { waiting: 0, refused: refused.length });
    assert.deepEqual(numbers(gateway), [...numbers(gateway)].sort((one, other) => one - other));
  });
}
