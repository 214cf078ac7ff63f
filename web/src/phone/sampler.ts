/** Four times a second, one row of what the sensors said last. */

import type { Fix } from "./location";
import type { Force } from "./motion";
import type { Reading } from "./row";

export const PERIOD_MS = 250;
/** What a sensor said longer ago is not said again. */
const FORCE_MS = 1000;
/** A phone that does not move may be told where it is only now and then. */
const PLACE_MS = 60_000;
const HEART_MS = 5000;

export interface Sensors {
  force: Force | null;
  place: Fix | null;
  heart: { beats: number; atMs: number } | null;
}

/** The row of this moment; null if no sensor has said anything of late. */
export function reading(sensors: Sensors, nowMs: number): Reading | null {
  const found: Reading = { timestamp: nowMs };
  const { force, place, heart } = sensors;
  if (force && nowMs - force.atMs <= FORCE_MS) {
    Object.assign(found, { gForceX: force.x, gForceY: force.y, gForceZ: force.z });
  }
  if (place && nowMs - place.atMs <= PLACE_MS) {
    const { latitude, longitude, altitude, speed } = place.coords;
    Object.assign(found, { latitude, longitude, altitude, speed });
  }
  if (heart && nowMs - heart.atMs <= HEART_MS) {
    found.heartRate = heart.beats;
  }
  return Object.keys(found).length > 1 ? found : null;
}

/** Calls `sample` every period, on the beat: a late call does not shift those after it. Returns what ends it. */
export function everyPeriod(sample: (nowMs: number) => void): () => void {
  let timer: ReturnType<typeof setTimeout>;
  const next = () => {
    timer = setTimeout(() => {
      next();
      sample(Date.now());
    }, PERIOD_MS - (Date.now() % PERIOD_MS));
  };
  next();
  return () => clearTimeout(timer);
}
