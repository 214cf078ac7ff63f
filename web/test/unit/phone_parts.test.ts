import assert from "node:assert/strict";
import { test } from "node:test";
import { parseHeartRate } from "../../src/phone/heart_rate";
import type { Fix } from "../../src/phone/location";
import { OneTab } from "../../src/phone/one_tab";
import { howToAllow, onIos } from "../../src/phone/permission";
import { Recorder } from "../../src/phone/recorder";
import { rowText } from "../../src/phone/row";
import { reading } from "../../src/phone/sampler";
import { type Ride, TakenOver } from "../../src/phone/store";
import { FakeClock } from "../support/fake_clock";

const NOW_MS = 1_700_000_000_000;

function place(atMs: number): Fix {
  return { atMs, coords: { latitude: 52.1, longitude: 6.6, altitude: null, speed: 5 } };
}

test("a row has the fields that there are, measures with a point", () => {
  const found = rowText({
    timestamp: NOW_MS + 0.4,
    gForceX: 9,
    gForceY: -0.00001,
    gForceZ: 1.23456,
    latitude: 52.09734212,
    longitude: -6,
    altitude: null,
    speed: 0,
    heartRate: 121.6,
  });
  assert.equal(
    found,
    `{"timestamp":${NOW_MS},"gForceX":9.0,"gForceY":0.0,"gForceZ":1.2346,"latitude":52.0973421,"longitude":-6.0,` +
      '"speed":0.0,"heartRate":122}',
  );
  assert.equal(rowText({ timestamp: 1, gForceX: NaN, gForceY: Infinity }), '{"timestamp":1}');
});

test("what a sensor said too long ago is left out of the row", () => {
  const force = { x: 1, y: 2, z: 3, atMs: NOW_MS - 1000 };
  const heart = { beats: 120, atMs: NOW_MS - 5000 };
  assert.deepEqual(reading({ force, place: place(NOW_MS - 60_000), heart }, NOW_MS), {
    timestamp: NOW_MS,
    gForceX: 1,
    gForceY: 2,
    gForceZ: 3,
    latitude: 52.1,
    longitude: 6.6,
    altitude: null,
    speed: 5,
    heartRate: 120,
  });
  assert.deepEqual(reading({ force, place: place(NOW_MS), heart }, NOW_MS + 1), {
    timestamp: NOW_MS + 1,
    latitude: 52.1,
    longitude: 6.6,
    altitude: null,
    speed: 5,
  });
  assert.equal(reading({ force, place: null, heart }, NOW_MS + 6000), null);
});

test("heart rates of one byte and of two, and none without contact", () => {
  const parse = (...bytes: number[]) => parseHeartRate(new DataView(new Uint8Array(bytes).buffer));
  assert.equal(parse(0b000, 72), 72);
  assert.equal(parse(0b001, 0x2c, 0x01), 300);
  assert.equal(parse(0b110, 72), 72);
  assert.equal(parse(0b100, 72), null);
  assert.equal(parse(0b000, 0), null);
  assert.equal(parse(0b001, 72), null);
  assert.equal(parse(0), null);
});

/** A store that takes rows, or throws what it is told to. */
class FakeStore {
  readonly rows: string[] = [];
  error: Error | null = null;
  append = async (ride: Ride, texts: string[]): Promise<void> => {
    if (this.error) {
      throw this.error;
    }
    this.rows.push(...texts.map((text) => `${ride.rider} ${text}`));
  };
}

const ANN: Ride = { order: 1, rider: "ann" };
const BOB: Ride = { order: 2, rider: "bob" };
const FULL = new DOMException("full", "QuotaExceededError");

const settle = () => new Promise((resolve) => setImmediate(resolve));

test("rows that the store had no room for go into it later, in their order", async () => {
  const store = new FakeStore();
  let written = 0;
  const recorder = new Recorder(store, (rows) => (written += rows), assert.fail, new FakeClock());
  recorder.add(ANN, "1");
  await settle();
  store.error = FULL;
  recorder.add(ANN, "2");
  recorder.add(ANN, "3");
  await settle();
  assert.match(recorder.trouble ?? "", /storage is full/);
  assert.equal(recorder.inMemory, 2);
  store.error = null;
  recorder.add(ANN, "4");
  await settle();
  assert.deepEqual(store.rows, ["ann 1", "ann 2", "ann 3", "ann 4"]);
  assert.deepEqual([written, recorder.trouble, recorder.inMemory, recorder.lost], [4, null, 0, 0]);
});

test("rows in memory stay with the ride that they were measured on", async () => {
  const [store, clock] = [new FakeStore(), new FakeClock()];
  const recorder = new Recorder(store, () => undefined, assert.fail, clock);
  store.error = FULL;
  recorder.add(ANN, "1");
  recorder.add(ANN, "2");
  await settle();
  recorder.add(BOB, "3");
  recorder.add(ANN, "4");
  await settle();
  store.error = null;
  clock.advance(1000);
  await settle();
  assert.deepEqual(store.rows, ["ann 1", "ann 2", "bob 3", "ann 4"]);
});

test("rows in memory are tried again when nothing more is measured, until the store takes them", async () => {
  const [store, clock] = [new FakeStore(), new FakeClock()];
  const recorder = new Recorder(store, () => undefined, assert.fail, clock);
  store.error = FULL;
  recorder.add(ANN, "1");
  await settle();
  for (let second = 0; second < 5; second += 1) {
    clock.advance(1000);
    await settle();
  }
  assert.equal(recorder.inMemory, 1);
  store.error = null;
  clock.advance(1000);
  await settle();
  assert.deepEqual([store.rows, recorder.inMemory, recorder.trouble], [["ann 1"], 0, null]);
});

test("rows in memory are bounded, and what is lost is counted", async () => {
  const store = new FakeStore();
  store.error = FULL;
  const recorder = new Recorder(store, () => undefined, assert.fail, new FakeClock());
  for (let row = 0; row < 10_005; row += 1) {
    recorder.add(ANN, String(row));
  }
  await settle();
  assert.deepEqual([recorder.inMemory, recorder.lost], [10_000, 5]);
});

test("a recorder says once when another tab has taken over, and its rows go in when the turn comes back", async () => {
  const [store, clock] = [new FakeStore(), new FakeClock()];
  store.error = new TakenOver();
  let told = 0;
  const recorder = new Recorder(store, () => undefined, () => (told += 1), clock);
  recorder.add(ANN, "1");
  await settle();
  clock.advance(1000);
  await settle();
  assert.equal(told, 1);
  assert.match(recorder.trouble ?? "", /1 row of this tab will be kept when it has its turn again/);
  store.error = null;
  clock.advance(1000);
  await settle();
  assert.deepEqual([store.rows, recorder.inMemory, recorder.trouble], [["ann 1"], 0, null]);
});

test("what to do after a refusal is what this browser has", () => {
  assert.equal(onIos({ standalone: false }), true);
  assert.equal(onIos({}), false);
  assert.match(howToAllow("motion", true), /Close this page in the browser, open it again/);
  assert.match(howToAllow("location", true), /Settings → Privacy/);
  assert.match(howToAllow("motion", false), /beside the address, allow motion/);
});

/** One lock, as Web Locks have it: a holder, a line, and thieves. */
class FakeLocks {
  private holder: ((error: Error) => void) | null = null;
  private readonly line: (() => void)[] = [];

  request(_name: string, options: LockOptions, use: (lock: unknown) => Promise<unknown> | undefined): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const grant = () => {
        this.holder = reject;
        void Promise.resolve(use({})).then(resolve);
      };
      if (options.steal) {
        this.holder?.(new Error("stolen"));
        grant();
      } else if (!this.holder) {
        grant();
      } else if (options.ifAvailable) {
        void Promise.resolve(use(null)).then(resolve);
      } else {
        this.line.push(grant);
      }
    });
  }
}

test("one tab works; another waits, and may take the turn", async () => {
  const locks = new FakeLocks();
  const said: string[] = [];
  const tab = (name: string) =>
    new OneTab(locks as unknown as LockManager, {
      onGained: () => said.push(`${name} works`),
      onLost: () => said.push(`${name} lost it`),
      onWaiting: () => said.push(`${name} waits`),
    });
  const [one, other] = [tab("one"), tab("other")];
  one.enter();
  other.enter();
  await settle();
  other.take();
  await settle();
  assert.deepEqual(said, ["one works", "other waits", "other works", "one lost it"]);
});
