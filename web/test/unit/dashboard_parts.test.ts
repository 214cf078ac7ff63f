import assert from "node:assert/strict";
import { test } from "node:test";
import { Alerts } from "../../src/dashboard/alerts";
import { Rate, Samples } from "../../src/dashboard/figures";
import { Fleet } from "../../src/dashboard/fleet";
import { ForceRing } from "../../src/dashboard/force_ring";
import { gridLines, gridStep } from "../../src/dashboard/grid";
import { Painter } from "../../src/dashboard/painter";
import { Track } from "../../src/dashboard/track";
import type { LogRecord } from "../../src/wire/frames";

const NOW_MS = 1_700_000_000_000;

test("a row and its alert are one point, whichever comes first", () => {
  const ring = new ForceRing(10);
  ring.put(1000, { raw: 9 });
  ring.put(2000, { mean: 10, shaking: 0 });
  ring.put(1000, { mean: 9.5, shaking: 1 });
  ring.put(2000, { raw: 11 });
  ring.put(1500, { raw: 10 });
  assert.deepEqual(ring.columns(0), [
    [1, 1.5, 2],
    [9, 10, 11],
    [9.5, null, 10],
    [1, null, 0],
  ]);
  assert.deepEqual(ring.columns(1501)[0], [2]);
});

test("a ring keeps the newest, in order of time, however rows come", () => {
  const ring = new ForceRing(100);
  const times = Array.from({ length: 1000 }, (_, index) => index * 10);
  for (let index = 0; index < times.length; index += 4) {
    // Each four of them backwards.
    times.slice(index, index + 4).reverse().forEach((time) => ring.put(time, { raw: time }));
  }
  const [seconds, raw] = ring.columns(0);
  assert.equal(ring.length, 100);
  assert.deepEqual(raw, times.slice(-100));
  assert.deepEqual(seconds, times.slice(-100).map((time) => time / 1000));
  ring.put(5, { raw: 1 });
  assert.deepEqual(ring.columns(0)[1], raw);
});

test("tracks are thinned and capped", () => {
  const track = new Track(100);
  assert.equal(track.add({ latitude: 52, longitude: 6 }), true);
  assert.equal(track.add({ latitude: 52.00001, longitude: 6 }), false);
  for (let step = 1; step <= 10_000; step += 1) {
    track.add({ latitude: 52, longitude: 6 + step * 0.0001 });
  }
  assert.ok(track.coordinates.length <= 100 && track.coordinates.length >= 90, String(track.coordinates.length));
  assert.deepEqual(track.coordinates.at(-1), [7, 52]);
});

test("events a second over the last five seconds", () => {
  const rate = new Rate();
  for (let ms = 0; ms < 10_000; ms += 250) {
    rate.add(50, NOW_MS + ms);
  }
  assert.equal(rate.perSecond(NOW_MS + 9_999), 200);
  assert.equal(rate.perSecond(NOW_MS + 60_000), 0);
  rate.add(19, NOW_MS + 60_000);
  assert.equal(rate.perSecond(NOW_MS + 60_250), 4);
});

test("percentiles of the last samples", () => {
  const samples = new Samples(100);
  assert.equal(samples.percentile(0.5), null);
  for (let value = 1; value <= 1000; value += 1) {
    samples.add(value);
  }
  assert.deepEqual([samples.percentile(0), samples.percentile(0.5), samples.percentile(0.99)], [901, 950, 999]);
});

test("shaking that goes on is one alert; after a pause it is another", () => {
  const alerts = new Alerts(2);
  assert.equal(alerts.shaken("ann", 0, 20, null)?.number, 1);
  assert.equal(alerts.shaken("ann", 3000, 30, { latitude: 1, longitude: 2 }), null);
  assert.equal(alerts.shaken("bob", 3000, 25, null)?.number, 2);
  assert.deepEqual(alerts.all[0], {
    number: 1,
    rider: "ann",
    beginMs: 0,
    endMs: 3000,
    peak: 30,
    place: { latitude: 1, longitude: 2 },
  });
  assert.equal(alerts.shaken("ann", 6001, 20, null)?.number, 3);
  assert.deepEqual(alerts.all.map(({ number }) => number), [2, 3]);
});

test("rows of one shaking are one alert in whatever order they come, and those long before are another", () => {
  const alerts = new Alerts();
  alerts.shaken("ann", 100_000, 20, null);
  assert.equal(alerts.shaken("ann", 98_000, 21, null), null);
  assert.equal(alerts.shaken("ann", 50_000, 22, null)?.number, 2);
  // The newer one goes on.
  assert.equal(alerts.shaken("ann", 102_000, 23, null), null);
  assert.equal(alerts.shaken("ann", 49_000, 24, null), null);
  assert.deepEqual(alerts.all.map(({ beginMs, endMs, peak }) => [beginMs, endMs, peak]), [
    [49_000, 50_000, 24],
    [98_000, 102_000, 23],
  ]);
});

test("an alert that begins earlier than was known stands where it belongs", () => {
  const alerts = new Alerts();
  alerts.shaken("ann", 10_000, 20, null);
  alerts.shaken("bob", 9000, 20, null);
  alerts.shaken("ann", 8000, 20, null);
  assert.deepEqual(alerts.all.map(({ rider }) => rider), ["ann", "bob"]);
});

test("a shaking that is older than all that are listed is one alert, not one a row", () => {
  const alerts = new Alerts(100);
  for (let rider = 0; rider < 100; rider += 1) {
    alerts.shaken(`rider-${rider}`, 1_000_000 + rider, 20, null);
  }
  const before = alerts.total;
  for (let row = 0; row < 20; row += 1) {
    alerts.shaken("ann", 500_000 + 250 * row, 20, null);
  }
  assert.equal(alerts.total, before + 1);
  assert.equal(alerts.all.length, 100);
});

function record(topic: string, key: string | null, timestamp: number, value: unknown): LogRecord {
  return { topic, partition: 0, offset: 0, timestamp, key, value };
}

const TOPICS = { in: "phone-data", out: "alerts" };

test("rows and alerts make what is known of a rider", () => {
  const told: string[] = [];
  const fleet = new Fleet(TOPICS, (alert) => told.push(alert.rider));
  fleet.take(
    [
      record("phone-data", "ann", NOW_MS, { gForceX: -3, gForceY: 4, gForceZ: 5, heartRate: 120 }),
      record("phone-data", "ann", NOW_MS + 1, { latitude: 52, longitude: 6, speed: 5, altitude: 12 }),
      record("phone-data", "ann", NOW_MS + 2, { latitude: 95, longitude: 6, gForceX: "9" }),
      record("alerts", "ann", NOW_MS, { gForceTotal: 12, "gForceTotal-10s": 11, shaking: 1 }),
      record("alerts", "bob", NOW_MS, { gForceTotal: 9, "gForceTotal-10s": 9.5, shaking: false }),
      record("phone-data", null, NOW_MS, "no object"),
      record("phone-data", "carl", NOW_MS, null),
    ],
    NOW_MS + 100,
  );
  const ann = fleet.riders.get("ann");
  assert.deepEqual([...fleet.riders.keys()], ["ann", "bob"]);
  assert.deepEqual(
    [ann?.total, ann?.mean, ann?.shaking, ann?.speed, ann?.altitude, ann?.heartRate],
    [12, 11, true, 5, 12, 120],
  );
  assert.deepEqual(ann?.place, { latitude: 52, longitude: 6 });
  assert.deepEqual(ann?.forces.columns(0), [[NOW_MS / 1000], [12], [11], [1]]);
  assert.equal(fleet.riders.get("bob")?.shaking, false);
  assert.deepEqual(told, ["ann"]);
  assert.equal(fleet.latencyMs.alert.percentile(1), 100);
});

test("rows that come late change no newest value, and their points and alerts stand where they belong", () => {
  const fleet = new Fleet(TOPICS);
  const row = (force: number, latitude: number, shaking: number) => {
    const features = { gForceTotal: force, "gForceTotal-10s": force, shaking };
    return { gForceX: force, gForceY: 0, gForceZ: 0, latitude, longitude: 6, speed: force, ...features };
  };
  const [newer, older] = [row(30, 52.1, 1), row(20, 52, 1)];
  fleet.take(
    [
      record("alerts", "ann", NOW_MS + 10_000, newer),
      record("phone-data", "ann", NOW_MS + 10_000, newer),
      record("alerts", "ann", NOW_MS, older),
      record("phone-data", "ann", NOW_MS, older),
      record("alerts", "bob", NOW_MS + 5000, older),
    ],
    NOW_MS + 11_000,
  );
  const ann = fleet.riders.get("ann");
  assert.deepEqual([ann?.total, ann?.mean, ann?.speed, ann?.place?.latitude], [30, 30, 30, 52.1]);
  assert.deepEqual(ann?.track.coordinates, [[6, 52.1]]);
  const seconds = NOW_MS / 1000;
  assert.deepEqual(ann?.forces.columns(0), [
    [seconds, seconds + 9.999, seconds + 10],
    [20, null, 30],
    [20, null, 30],
    [1, null, 1],
  ]);
  assert.deepEqual(fleet.alerts.all.map(({ rider }) => rider), ["ann", "bob", "ann"]);
});

test("one row of a clock that is far ahead hides nothing that comes after it", () => {
  const told: string[] = [];
  const fleet = new Fleet(TOPICS, (alert) => told.push(alert.rider));
  const row = (force: number, shaking = 1) => ({ gForceX: force, gForceY: 0, gForceZ: 0, gForceTotal: force, shaking });
  const AHEAD_MS = 9_000_000_000_000;
  fleet.take([record("alerts", "ann", AHEAD_MS, row(50)), record("phone-data", "ann", AHEAD_MS, row(50))], NOW_MS);
  // Somebody is being shaken all the same: now.
  assert.deepEqual(told, ["ann"]);
  assert.deepEqual(fleet.alerts.all.map(({ beginMs }) => beginMs), [NOW_MS]);
  const laterMs = NOW_MS + 10_000;
  fleet.take([record("alerts", "ann", laterMs, row(30)), record("phone-data", "ann", laterMs, row(30))], laterMs + 100);
  assert.deepEqual(told, ["ann", "ann"]);
  const ann = fleet.riders.get("ann");
  assert.deepEqual([ann?.total, ann?.shaking, ann?.rowMs, ann?.alertMs], [30, true, laterMs, laterMs]);
  assert.deepEqual(ann?.forces.columns(0)[0], [laterMs / 1000]);
  assert.equal(ann?.aheadMs, NOW_MS);
});

test("rows a second are those of phones, not what the service makes of them as well", () => {
  const fleet = new Fleet(TOPICS);
  for (let ms = 0; ms < 10_000; ms += 250) {
    const both = [record("phone-data", "ann", NOW_MS + ms, {}), record("alerts", "ann", NOW_MS + ms, {})];
    fleet.take(both, NOW_MS + ms);
  }
  assert.equal(fleet.rate.perSecond(NOW_MS + 9_999), 4);
});

test("memory is bounded: 200 riders for six hours, and ten thousand names", () => {
  const fleet = new Fleet(TOPICS);
  for (let second = 0; second < 6 * 3600; second += 12) {
    const timestamp = NOW_MS + second * 1000;
    const records = Array.from({ length: 200 }, (_, rider) =>
      record(second % 24 === 0 ? "alerts" : "phone-data", `rider-${rider}`, timestamp, {
        gForceX: 1,
        gForceY: 2,
        gForceZ: 3,
        latitude: 52 + second / 10_000,
        longitude: 6,
        shaking: 1,
      }),
    );
    fleet.take(records, timestamp);
  }
  fleet.selected = "rider-7";
  for (let name = 0; name < 10_000; name += 1) {
    fleet.take([record("phone-data", `visitor-${name}`, NOW_MS, { gForceX: 1 })], NOW_MS + 1e9 + name);
  }
  assert.equal(fleet.riders.size, 1000);
  assert.ok(fleet.riders.has("rider-7") && fleet.riders.has("visitor-9999"));
  assert.ok((fleet.riders.get("rider-7")?.track.coordinates.length ?? 0) <= 600);
  assert.ok((fleet.riders.get("rider-7")?.forces.length ?? 0) <= 2400);
  assert.equal(fleet.alerts.all.length, 100);
});

test("the grid has some six lines across the view, at any zoom", () => {
  for (const width of [360, 40, 3, 0.2, 0.004]) {
    const bounds = { west: 6, east: 6 + width, south: 52, north: 52 + width / 2 };
    const across = width / gridStep(bounds);
    assert.ok(across >= 6 && across <= 18, `${across} lines across ${width}°`);
  }
  const { coordinates } = gridLines({ west: -180, east: 180, south: -90, north: 90 });
  assert.ok(coordinates.flat().every(([, latitude]) => Math.abs(latitude as number) <= 85));
});

test("each part is drawn no more often than it says, and only after something changed", () => {
  let draw: (() => void) | null = null;
  const painter = new Painter((asked) => {
    assert.equal(draw, null);
    draw = asked;
  });
  const drawn: string[] = [];
  painter.add(0, () => drawn.push("always"));
  painter.add(1e9, () => drawn.push("rarely"));
  const frame = () => {
    const asked = draw as (() => void) | null;
    draw = null;
    asked?.();
  };
  painter.touch();
  painter.touch();
  frame();
  assert.deepEqual(drawn, ["always", "rarely"]);
  painter.touch();
  frame();
  frame();
  assert.deepEqual(drawn, ["always", "rarely", "always"]);
});
