/** A row as it goes on the wire. */

/** What the sensors say at one moment; what is undefined or null is left out of the row. */
export interface Reading {
  timestamp: number; // ms since 1970
  gForceX?: number | undefined; // m/s², gravity included
  gForceY?: number | undefined;
  gForceZ?: number | undefined;
  latitude?: number | undefined; // degrees, WGS 84
  longitude?: number | undefined;
  altitude?: number | null | undefined; // m
  speed?: number | null | undefined; // m/s
  heartRate?: number | undefined; // beats a minute
}

/** Digits after the point: 7 of a degree are a centimetre, and no sensor says more. */
const DIGITS = { gForceX: 4, gForceY: 4, gForceZ: 4, latitude: 7, longitude: 7, altitude: 1, speed: 2 } as const;

/**
 * The row as JSON. Measures always have a point, as 9.0: a column that is a whole number now and then would be two kinds of
 * column to whoever stores it.
 */
export function rowText(reading: Reading): string {
  const parts = [`"timestamp":${Math.round(reading.timestamp)}`];
  for (const [name, digits] of Object.entries(DIGITS) as [keyof typeof DIGITS, number][]) {
    const value = reading[name];
    if (typeof value === "number" && Number.isFinite(value)) {
      parts.push(`"${name}":${withPoint(value, digits)}`);
    }
  }
  if (reading.heartRate !== undefined) {
    parts.push(`"heartRate":${Math.round(reading.heartRate)}`);
  }
  return `{${parts.join(",")}}`;
}

function withPoint(value: number, digits: number): string {
  return value.toFixed(digits).replace(/(\.\d+?)0+$/, "$1").replace(/^-(0\.0)$/, "$1");
}
