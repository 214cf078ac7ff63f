/** The map: riders, their tracks, and where alerts were. */

import type * as GeoJSON from "geojson";
import * as maplibre from "maplibre-gl";
import type { Fleet, Rider } from "./fleet";
import { gridLines } from "./grid";
import { mapStyle, paints, WORLD } from "./map_style";
import { metresBetween, type Place } from "./track";

/** A rider that says nothing for so long is shown as silent. */
export const SILENT_MS = 10_000;
const TRACKS_EVERY_MS = 1500;
const CLOSE_ZOOM = 14;

type SourceName = "grid" | "tracks" | "own-track" | "alerts" | "riders";

export class RiderMap {
  /** Keeps the chosen rider in the middle; ends when the user moves the map. */
  follow = true;
  private readonly map: maplibre.Map;
  private ready = false;
  private sawRiders = false;
  private worldMissing = false;
  private drawn = { tracks: -1, tracksMs: 0, alerts: -1 };
  private centre: Place | null = null;

  /** @throws Error where the browser has no WebGL */
  constructor(
    container: HTMLElement,
    tileUrl: string | null,
    private readonly fleet: Fleet,
    private readonly on: { choose: (rider: string) => void; followEnds: () => void },
  ) {
    maplibre.setWorkerUrl("/map-worker.js");
    this.map = new maplibre.Map({
      container,
      style: mapStyle(tileUrl),
      center: [10, 30],
      zoom: 1.2,
      maxPitch: 0,
      dragRotate: false,
      fadeDuration: 0,
      attributionControl: { compact: true },
      locale: { "Map.Title": "Map of the riders; arrow keys move it, plus and minus zoom" },
    });
    // Tiles that do not come leave the land bare. The world is fetched once, so it is asked for again later.
    this.map.on("error", (event) => {
      this.worldMissing ||= (event as { sourceId?: string }).sourceId === "world";
    });
    this.map.touchZoomRotate.disableRotation();
    this.map.addControl(new maplibre.NavigationControl({ showCompass: false }), "top-right");
    this.map.addControl(new maplibre.ScaleControl(), "bottom-left");
    // Seen from outside whether all that was given is drawn, which is when a picture of it is whole.
    this.map.on("render", () => (container.dataset["state"] = "drawing"));
    this.map.on("idle", () => (container.dataset["state"] = "drawn"));
    this.map.on("load", () => {
      this.ready = true;
      this.repaint();
      this.drawGrid();
    });
    this.map.on("moveend", () => this.drawGrid());
    // Moved by hand, wheel, keys or the buttons: what the page does itself comes of no event.
    this.map.on("movestart", (event) => {
      if ((event as { originalEvent?: Event }).originalEvent) {
        this.stopFollowing();
      }
    });
    this.map.on("click", "riders", (event) => {
      const name: unknown = event.features?.[0]?.properties["name"];
      if (typeof name === "string") {
        on.choose(name);
      }
    });
    this.map.on("mouseenter", "riders", () => (this.map.getCanvas().style.cursor = "pointer"));
    this.map.on("mouseleave", "riders", () => (this.map.getCanvas().style.cursor = ""));
  }

  /** The gateway can be reached, it may be again. */
  reconnected(): void {
    if (this.worldMissing) {
      this.worldMissing = false;
      void this.map.getSource<maplibre.GeoJSONSource>("world")?.setData(WORLD);
    }
  }

  /** Takes the colours of the scheme of the moment. */
  repaint(): void {
    if (this.ready) {
      for (const [layer, property, value] of paints()) {
        this.map.setPaintProperty(layer, property as never, value as never);
      }
      this.map.getContainer().dataset["scheme"] = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
    }
  }

  /** Draws what has changed; tracks more rarely than riders, since they are much more. */
  draw(nowMs: number): void {
    if (!this.ready) {
      return;
    }
    this.set("riders", this.riderPoints(nowMs));
    if (this.drawn.alerts !== this.fleet.alerts.total) {
      this.drawn.alerts = this.fleet.alerts.total;
      this.set("alerts", this.alertPoints());
    }
    const chosen = this.chosen();
    this.set("own-track", chosen ? lines([chosen]) : lines([]));
    if (this.drawn.tracks !== this.fleet.tracksVersion && nowMs - this.drawn.tracksMs >= TRACKS_EVERY_MS) {
      Object.assign(this.drawn, { tracks: this.fleet.tracksVersion, tracksMs: nowMs });
      this.set("tracks", lines([...this.fleet.riders.values()]));
    }
    this.look(chosen);
  }

  /** Shows every rider. */
  showAll(): void {
    this.stopFollowing();
    const bounds = new maplibre.LngLatBounds();
    for (const { place } of this.fleet.riders.values()) {
      if (place) {
        bounds.extend([place.longitude, place.latitude]);
      }
    }
    if (!bounds.isEmpty()) {
      this.map.fitBounds(bounds, { padding: 48, maxZoom: CLOSE_ZOOM, duration: 600 });
      void this.map.once("moveend", () => (this.map.getContainer().dataset["moved"] = "all"));
    }
  }

  /** Looks at a place, and stays there. */
  show(place: Place): void {
    this.stopFollowing();
    this.moveTo(place);
  }

  private moveTo(place: Place): void {
    const zoom = Math.max(this.map.getZoom(), CLOSE_ZOOM);
    this.map.easeTo({ center: [place.longitude, place.latitude], zoom, duration: 600 });
  }

  private chosen(): Rider | null {
    return this.fleet.riders.get(this.fleet.selected ?? "") ?? null;
  }

  /** The first riders are shown all; after that the chosen one is kept in the middle. */
  private look(chosen: Rider | null): void {
    const place = chosen?.place ?? null;
    if (!this.sawRiders) {
      const first = [...this.fleet.riders.values()].find((rider) => rider.place)?.place;
      if (first) {
        this.sawRiders = true;
        this.map.jumpTo({ center: [first.longitude, first.latitude], zoom: CLOSE_ZOOM });
      }
      return;
    }
    const far = place && (!this.centre || metresBetween(place, this.centre) > 20);
    if (this.follow && place && far && !this.map.isMoving()) {
      this.centre = place;
      this.moveTo(place);
    }
  }

  private stopFollowing(): void {
    this.centre = null;
    if (this.follow) {
      this.follow = false;
      this.on.followEnds();
    }
  }

  private set(source: SourceName, data: GeoJSON.GeoJSON): void {
    void this.map.getSource<maplibre.GeoJSONSource>(source)?.setData(data);
  }

  private drawGrid(): void {
    if (this.ready) {
      const bounds = this.map.getBounds();
      const [west, south, east, north] = [bounds.getWest(), bounds.getSouth(), bounds.getEast(), bounds.getNorth()];
      this.set("grid", gridLines({ west, south, east, north }));
    }
  }

  private riderPoints(nowMs: number): GeoJSON.FeatureCollection {
    return points(
      [...this.fleet.riders.values()].map(({ name, place, shaking, seenMs }) => ({
        place,
        properties: {
          name,
          shaking: shaking === true && nowMs - seenMs < SILENT_MS,
          silent: nowMs - seenMs >= SILENT_MS,
          chosen: name === this.fleet.selected,
        },
      })),
    );
  }

  private alertPoints(): GeoJSON.FeatureCollection {
    return points(this.fleet.alerts.all.map(({ place, number }) => ({ place, properties: { number } })));
  }
}

function points(
  found: { place: Place | null; properties: GeoJSON.GeoJsonProperties }[],
): GeoJSON.FeatureCollection<GeoJSON.Point> {
  const features: GeoJSON.Feature<GeoJSON.Point>[] = [];
  for (const { place, properties } of found) {
    if (place) {
      const coordinates = [place.longitude, place.latitude];
      features.push({ type: "Feature", properties, geometry: { type: "Point", coordinates } });
    }
  }
  return { type: "FeatureCollection", features };
}

function lines(riders: Rider[]): GeoJSON.Feature<GeoJSON.MultiLineString> {
  const coordinates = riders.map(({ track }) => track.coordinates).filter((line) => line.length > 1);
  return { type: "Feature", properties: {}, geometry: { type: "MultiLineString", coordinates } };
}
