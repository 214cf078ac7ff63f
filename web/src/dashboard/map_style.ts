/** Layers of the map and their colours, which are those of the page. */

import type * as GeoJSON from "geojson";
import type { LayerSpecification, StyleSpecification } from "maplibre-gl";

/** The value of a colour of theme.css, as the scheme of the moment has it. */
export function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** Land and borders, which the build makes. */
export const WORLD = "/world.json";

export const EMPTY: GeoJSON.FeatureCollection = { type: "FeatureCollection", features: [] };

/** Which layer takes which colour, so that another scheme repaints them. */
export function paints(): [layer: string, property: string, value: unknown][] {
  const shaking = ["case", ["get", "shaking"], colour("alert"), ["get", "silent"], colour("raw"), colour("rider")];
  return [
    ["water", "background-color", colour("water")],
    ["land", "fill-color", colour("land")],
    ["coast", "line-color", colour("border")],
    ["borders", "line-color", colour("border")],
    ["grid", "line-color", colour("grid")],
    ["tracks", "line-color", colour("rider")],
    ["own-track", "line-color", colour("rider")],
    ["alerts", "circle-color", colour("alert")],
    ["alerts", "circle-stroke-color", colour("alert")],
    ["riders", "circle-color", shaking],
    ["riders", "circle-stroke-color", colour("card")],
    ["chosen", "circle-stroke-color", colour("text")],
    ["names", "text-color", colour("text")],
    ["names", "text-halo-color", colour("card")],
  ];
}

const LAYERS: LayerSpecification[] = [
  { id: "water", type: "background" },
  { id: "land", type: "fill", source: "world", filter: ["==", ["get", "kind"], "land"] },
  { id: "coast", type: "line", source: "world", filter: ["==", ["get", "kind"], "land"], paint: { "line-width": 0.7 } },
  {
    id: "borders",
    type: "line",
    source: "world",
    filter: ["==", ["get", "kind"], "border"],
    paint: { "line-width": 1, "line-dasharray": [3, 2] },
  },
  { id: "grid", type: "line", source: "grid", paint: { "line-width": 1 } },
  {
    id: "tracks",
    type: "line",
    source: "tracks",
    layout: { "line-join": "round" },
    paint: { "line-width": 1.5, "line-opacity": 0.35 },
  },
  {
    id: "own-track",
    type: "line",
    source: "own-track",
    layout: { "line-join": "round", "line-cap": "round" },
    paint: { "line-width": 3.5 },
  },
  {
    id: "alerts",
    type: "circle",
    source: "alerts",
    paint: { "circle-radius": 13, "circle-opacity": 0.25, "circle-stroke-width": 2 },
  },
  { id: "riders", type: "circle", source: "riders", paint: { "circle-radius": 6, "circle-stroke-width": 1.5 } },
  {
    id: "chosen",
    type: "circle",
    source: "riders",
    filter: ["get", "chosen"],
    paint: { "circle-radius": 10, "circle-opacity": 0, "circle-stroke-width": 2.5 },
  },
  {
    id: "names",
    type: "symbol",
    source: "riders",
    layout: {
      "text-field": ["get", "name"],
      "text-font": ["sans-serif"],
      "text-size": 12,
      "text-max-width": 30,
      "text-anchor": "left",
      "text-offset": [0.9, 0],
      "symbol-sort-key": ["case", ["get", "chosen"], 0, 1],
    },
    paint: { "text-halo-width": 1.5 },
  },
];

/** @param tileUrl addresses of raster tiles, with {z}, {x} and {y}; null: land and borders only */
export function mapStyle(tileUrl: string | null): StyleSpecification {
  const data = (): { type: "geojson"; data: GeoJSON.FeatureCollection } => ({ type: "geojson", data: EMPTY });
  const tiles: LayerSpecification[] = tileUrl ? [{ id: "tiles", type: "raster", source: "tiles" }] : [];
  const after = 1 + LAYERS.findIndex(({ id }) => id === "grid");
  return {
    version: 8,
    sources: {
      world: { type: "geojson", data: WORLD, tolerance: 0.2, attribution: "Natural Earth" },
      ...(tileUrl ? { tiles: { type: "raster", tiles: [tileUrl], tileSize: 256, maxzoom: 19 } } : {}),
      grid: data(),
      tracks: { ...data(), tolerance: 0.5 },
      "own-track": data(),
      alerts: data(),
      riders: data(),
    },
    layers: [...LAYERS.slice(0, after), ...tiles, ...LAYERS.slice(after)],
  };
}
