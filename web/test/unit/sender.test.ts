import assert from "node:assert/strict";
import { test } from "node:test";
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
  first.sender.poke();
  await first.quiet();
  assert.equal(first.sender.state.kind, "elsewhere");
  await second.measure(3);
  await second.drain();
  assert.deepEqual(numbers(gateway), [1, 3]);
});

test("a session opened elsewhere is left alone until the user says so", async () => {
  const gateway = new FakeGateway();
  const phone = await Phone.open(newDisk(), gateway);
  gateway.cut(4000);
  await phone.wait(60_000);
  assert.equal(phone.sender.state.kind, "elsewhere");
  assert.equal(gateway.sockets.length, 1);
  phone.sender.start();
  await phone.quiet();
  assert.equal(phone.sender.state.kind, "open");
});

test("rows stay with the rider who was chosen when they were measured", async () => {
  const gateway = new FakeGateway();
  gateway.reachable = false;
  const phone = await Phone.open(newDisk(), gateway);
  await phone.measure(1);
  await phone.store.useRider("bob");
  await phone.measure(2);
  await phone.store.useRider("ann");
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

for (const counted of [true, false]) {
  const remembered = counted ? "is remembered" : "is not";
  test(`a refused message is kept to be seen, and the rest goes on (its number ${remembered})`, async () => {
    const gateway = new FakeGateway();
    gateway.refuse = (body) => (body.includes('"n":2}') ? "row 1: not this one" : null);
    const phone = await Phone.open(newDisk(), gateway);
    await phone.measure(1);
    await phone.measure(2);
    assert.deepEqual(await phone.store.counts(), { waiting: 0, refused: 1 });
    if (counted) {
      gateway.sequences.set(gateway.sockets[0]?.session.id as string, 2);
    }
    gateway.cut();
    await phone.quiet();
    await phone.wait(60_000);
    await phone.measure(3);
    assert.deepEqual(numbers(gateway), [1, 3]);
    assert.deepEqual(await phone.store.refused(), [
      { id: 1, rider: "ann", body: '[{"n":2}]', rows: 1, error: "row 1: not this one" },
    ]);
    await phone.store.clearRefused();
    assert.deepEqual(await phone.store.counts(), { waiting: 0, refused: 0 });
  });
}

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
  await phone.store.append(range(0, 64 * 70).map((n) => JSON.stringify({ n })));
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
  test(`no row is lost and none is twice, whatever goes wrong (seed ${seed})`, async () => {
    const random = generator(seed);
    const [gateway, disk, clock] = [new FakeGateway(), newDisk(), new FakeClock()];
    const fates: Fate[] = ["answered", "answered", "answered", "answer lost", "lost"];
    gateway.fate = () => fates[Math.floor(random() * fates.length)] as Fate;
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
    assert.deepEqual(numbers(gateway), range(0, measured));
  });
}
