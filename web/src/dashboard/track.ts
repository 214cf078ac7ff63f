/** Where a rider was, thinned and capped. */

export interface Place {
  longitude: number;
  latitude: number;
}

const LEAST_METRES = 3;
const METRES_PER_DEGREE = 111_320;

/** Metres between places that are near each other. */
export function metresBetween(one: Place, other: Place): number {
  const narrower = Math.cos((one.latitude * Math.PI) / 180);
  const x = (one.longitude - other.longitude) * narrower;
  return Math.hypot(x, one.latitude - other.latitude) * METRES_PER_DEGREE;
}

export class Track {
  readonly coordinates: [number, number][] = [];
  private last: Place | null = null;

  /** @param capacity points; the oldest tenth leaves when there are more */
  constructor(private readonly capacity: number) {}

  /** Whether the place is far enough from the last one to be a point of the track. */
  add(place: Place): boolean {
    if (this.last && metresBetween(this.last, place) < LEAST_METRES) {
      return false;
    }
    this.last = place;
    this.coordinates.push([place.longitude, place.latitude]);
    if (this.coordinates.length > this.capacity) {
      this.coordinates.splice(0, Math.ceil(this.capacity / 10));
    }
    return true;
  }
}
