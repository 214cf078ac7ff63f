/** Lines of latitude and longitude as wide apart as the view wants, so that movement is seen where the map is empty. */

import type * as GeoJSON from "geojson";

export interface Bounds {
  west: number;
  south: number;
  east: number;
  north: number;
}

const STEPS = [30, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005, 0.0002, 0.0001];
const LINES = 6;

/** Degrees between lines: the widest that leaves some six of them in the view. */
export function gridStep({ west, east }: Bounds): number {
  return STEPS.find((step) => (east - west) / step >= LINES) ?? (STEPS.at(-1) as number);
}

export function gridLines(bounds: Bounds): GeoJSON.MultiLineString {
  const step = gridStep(bounds);
  // One view more on each side, so that a moved map is not bare at once.
  const [width, height] = [bounds.east - bounds.west, bounds.north - bounds.south];
  const [west, east] = [bounds.west - width, bounds.east + width];
  const [south, north] = [Math.max(bounds.south - height, -85), Math.min(bounds.north + height, 85)];
  const coordinates: [number, number][][] = [];
  for (let line = Math.ceil(west / step); line * step <= east; line += 1) {
    coordinates.push([
      [line * step, south],
      [line * step, north],
    ]);
  }
  for (let line = Math.ceil(south / step); line * step <= north; line += 1) {
    coordinates.push([
      [west, line * step],
      [east, line * step],
    ]);
  }
  return { type: "MultiLineString", coordinates };
}
