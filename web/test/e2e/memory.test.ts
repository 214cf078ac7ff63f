/** Hours in a minute: what the pages keep does not grow with the time for which they are open. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Page } from "playwright-core";
import { Hands } from "./phone_hands";
import { untilNumber, untilText, World } from "./world";

/**
 * Bytes that are kept: objects, and arrays of numbers, which the browser counts apart. What is on its way to the map's worker
 * at the moment is no part of it, so that the least of some collections counts, with frames drawn in between.
 */
async function heapBytes(page: Page): Promise<number> {
  const devtools = await page.context().newCDPSession(page);
  let least = Infinity;
  for (let round = 0; round < 4; round += 1) {
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
    await devtools.send("HeapProfiler.collectGarbage");
    const heap = (await devtools.send("Runtime.getHeapUsage")) as { usedSize: number; backingStorageSize?: number };
    least = Math.min(least, heap.usedSize + (heap.backingStorageSize ?? 0));
  }
  await devtools.detach();
  return least;
}

const MB = 1e6;

/**
 * A gateway inside the page: `ride(minutes)` is so long a time of 200 riders, of each a row every six seconds, and in between
 * what is said of it.
 */
function insertCrowd(): void {
  const RIDERS = 200;
  const FRAME = 400;
  const STEP_S = 3;
  const world = window as unknown as { ride: (minutes: number) => Promise<void>; WebSocket: unknown };
  let socket: { onmessage: ((event: { data: string }) => void) | null } | null = null;
  let timestamp = Date.now() - 24 * 3_600_000;
  let offset = 0;
  world.WebSocket = class {
    onmessage: ((event: { data: string }) => void) | null = null;
    onclose = null;
    readyState = 1;
    constructor() {
      socket = this;
      setTimeout(() => this.onmessage?.({ data: '{"hello":{"position":"alerts:0:0,phone-data:0:0"}}' }));
    }
    close(): void {}
    send(): void {}
  };
  const record = (topic: string, rider: number, second: number) => {
    const angle = second / 500 + rider;
    // Every rider is shaken for ten seconds of every two minutes.
    const shaking = Number((second + rider) % 120 < 10);
    const value = {
      gForceX: 9.8 + 20 * shaking,
      gForceY: rider / 100,
      gForceZ: 0.3,
      latitude: 52 + 0.1 * Math.sin(angle),
      longitude: 6.6 + 0.1 * Math.cos(angle),
      altitude: 12.5,
      speed: 6.25,
      heartRate: 120,
      ...(topic === "alerts" ? { gForceTotal: 10.1, "gForceTotal-10s": 10.2, shaking } : {}),
    };
    return { topic, partition: 0, offset: offset++, timestamp, key: `rider-${rider}`, value };
  };
  world.ride = async (minutes) => {
    let frame: object[] = [];
    for (let step = 0; step < (minutes * 60) / STEP_S; step += 1) {
      timestamp += 1000 * STEP_S;
      for (let rider = 0; rider < RIDERS; rider += 1) {
        frame.push(record(step % 2 ? "alerts" : "phone-data", rider, timestamp / 1000));
        if (frame.length === FRAME) {
          socket?.onmessage?.({ data: JSON.stringify({ records: frame, position: `alerts:0:${offset}` }) });
          frame = [];
        }
      }
      if (step % 20 === 0) {
        // The page draws as it would.
        await new Promise((resolve) => requestAnimationFrame(resolve));
      }
    }
  };
}

test("a dashboard of 200 riders keeps as much after four hours as after two", { timeout: 180_000 }, () =>
  World.run(async (world) => {
    // Small, since without a graphics card what takes long is the map's pixels.
    const context = await world.context({ width: 420, height: 640 });
    await context.addInitScript(insertCrowd);
    const page = await world.open(context, "/");
    await untilText(page, "connection", /Live/);
    const before = await heapBytes(page);
    const hours: number[] = [];
    for (let hour = 1; hour <= 4; hour += 1) {
      await page.evaluate("window.ride(60)");
      hours.push(await heapBytes(page));
    }
    await untilText(page, "figure-riders", /^200$/);
    const figures = [before, ...hours].map((bytes) => (bytes / MB).toFixed(1)).join(", ");
    console.log(`heap of the dashboard at the start and after each hour: ${figures} MB`);
    const [, second, , fourth] = hours as [number, number, number, number];
    assert.ok(fourth < 60 * MB, `${figures} MB`);
    assert.ok(fourth - second < 0.1 * second, `it grows: ${figures} MB`);
  }));

/** The page's clock and timers go so many times as fast, and the phone is in a hand that moves. */
function insertHaste(times: number): void {
  const [now, later, beganMs] = [Date.now, window.setTimeout, Date.now()];
  Date.now = () => Math.round(beganMs + (now() - beganMs) * times);
  Object.assign(window, { setTimeout: (call: () => void, ms = 0) => later(call, ms / times) });
  // Before there is a page there is no sensor either.
  if (typeof DeviceMotionEvent === "undefined") {
    return;
  }
  setInterval(() => {
    const accelerationIncludingGravity = { x: 0.2, y: 9.8 + Math.random(), z: 0.3 };
    window.dispatchEvent(new DeviceMotionEvent("devicemotion", { accelerationIncludingGravity }));
  }, 10);
}

test("a phone keeps no more in memory for the rows that it has sent, nor for those that wait", { timeout: 120_000 }, () =>
  World.run(async (world) => {
    const context = await world.context({ width: 390, height: 844, mobile: true });
    await context.addInitScript(insertHaste, 20);
    const page = await world.open(context, "/phone.html");
    const stored = await world.stored("phone-data", ["ann"]);
    const hands = await Hands.on(page);
    await hands.start("ann");
    const heaps: number[] = [];
    for (const rows of [300, 900]) {
      await untilNumber(page, "acknowledged", rows);
      heaps.push(await heapBytes(page));
    }
    world.proxy.cut();
    await untilNumber(page, "waiting", 600);
    heaps.push(await heapBytes(page));
    world.proxy.restore();
    const measured = await hands.stop();
    await untilText(page, "waiting", /^0$/);
    heaps.push(await heapBytes(page));
    await stored.until((rows) => rows.length >= measured, `all ${measured} rows`);
    assert.equal(stored.rows.length, measured);
    const figures = heaps.map((bytes) => (bytes / MB).toFixed(2)).join(", ");
    console.log(`heap of the phone page after 300 rows, after 900, with 600 waiting, after ${measured}: ${figures} MB`);
    assert.ok(Math.max(...heaps) < (heaps[0] as number) + 1 * MB, `it grows: ${figures} MB`);
  }));
