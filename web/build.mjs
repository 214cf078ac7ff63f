/**
 * Builds the pages into dist/, or wherever --out says. `node build.mjs --tests DIR` bundles the tests into DIR instead, for
 * Node's test runner.
 */

import { createHash } from "node:crypto";
import { cp, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { build } from "esbuild";
import { feature, mesh } from "topojson-client";

const here = import.meta.dirname ?? new URL(".", import.meta.url).pathname;
/** What has to be there for the phone page to open offline. */
const PHONE_FILES = ["phone.html", "phone.js", "phone.css", "manifest.webmanifest", "icon.svg", "icon-192.png"];

const browsers = {
  bundle: true,
  minify: true,
  format: "esm",
  target: ["es2022"],
  legalComments: "none", // writeLicences has them in full
  logLevel: "warning",
};

async function buildPages(out) {
  // Built beside and then put in place, so that a build that fails or is cut off leaves the old pages.
  const fresh = `${out}.new`;
  await rm(fresh, { recursive: true, force: true });
  await mkdir(fresh, { recursive: true });
  await Promise.all([
    build({
      ...browsers,
      entryPoints: {
        dashboard: join(here, "src/dashboard/page.ts"),
        phone: join(here, "src/phone/page.ts"),
      },
      outdir: fresh,
    }),
    build({
      ...browsers,
      entryPoints: {
        dashboard: join(here, "src/dashboard/dashboard.css"),
        phone: join(here, "src/phone/phone.css"),
      },
      outdir: fresh,
    }),
    cp(join(here, "static"), fresh, { recursive: true }),
    cp(join(here, "node_modules/maplibre-gl/dist/maplibre-gl-worker.mjs"), join(fresh, "map-worker.js")),
    writeLicences(join(fresh, "THIRD_PARTY.txt")),
    writeWorld(join(fresh, "world.json")),
  ]);
  await build({
    ...browsers,
    format: "iife",
    entryPoints: [join(here, "src/service_worker.ts")],
    outfile: join(fresh, "service-worker.js"),
    define: {
      TIDERACE_FILES: JSON.stringify(PHONE_FILES.map((file) => `/${file}`)),
      TIDERACE_VERSION: JSON.stringify(await versionOf(fresh)),
    },
  });
  await rm(out, { recursive: true, force: true });
  await rename(fresh, out);
}

/** What is bundled, with each licence in full. */
async function writeLicences(file) {
  const texts = [await readFile(join(here, "THIRD_PARTY.md"), "utf8")];
  for (const licence of ["maplibre-gl/LICENSE.txt", "uplot/LICENSE", "world-atlas/LICENSE"]) {
    texts.push(`\n---- ${licence} ----\n\n`, await readFile(join(here, "node_modules", licence), "utf8"));
  }
  await writeFile(file, texts.join(""));
}

/** Changes with any of the phone page's files. */
async function versionOf(directory) {
  const hash = createHash("sha256");
  for (const file of PHONE_FILES) {
    hash.update(file).update(await readFile(join(directory, file)));
  }
  return hash.digest("hex").slice(0, 16);
}

/** Land and borders of Natural Earth, 1 : 50 million, as GeoJSON with places to about 100 m. */
async function writeWorld(file) {
  const read = async (name) => JSON.parse(await readFile(join(here, `node_modules/world-atlas/${name}.json`), "utf8"));
  const [land, countries] = [await read("land-50m"), await read("countries-50m")];
  const polygons = feature(land, land.objects.land).features.flatMap(({ geometry }) => geometry.coordinates);
  const shapes = [
    {
      type: "Feature",
      properties: { kind: "land" },
      geometry: { type: "MultiPolygon", coordinates: polygons.map((rings) => rings.map(flat)) },
    },
    {
      type: "Feature",
      properties: { kind: "border" },
      geometry: mesh(countries, countries.objects.countries, (one, other) => one !== other),
    },
  ];
  const rounded = (_, value) => (typeof value === "number" ? Math.round(value * 1000) / 1000 : value);
  await writeFile(file, JSON.stringify({ type: "FeatureCollection", features: shapes }, rounded));
}

/**
 * A ring for a flat map. Those of the source go round a ball: over 180° east they jump to 180° west, and that of Antarctica
 * goes round the pole. Here longitudes go on beyond 180°, which the map takes, and a ring round the pole is closed along it.
 */
function flat(ring) {
  let turns = 0;
  const points = ring.map(([longitude, latitude], index) => {
    const step = index > 0 ? longitude - ring[index - 1][0] : 0;
    turns -= Math.abs(step) > 180 ? Math.sign(step) : 0;
    return [longitude + 360 * turns, latitude];
  });
  if (turns !== 0) {
    points.push([points.at(-1)[0], -90], [points[0][0], -90], points[0]);
  }
  const middle = points.reduce((sum, [longitude]) => sum + longitude, 0) / points.length;
  const shift = -360 * Math.round(middle / 360);
  return points.map(([longitude, latitude]) => [longitude + shift, latitude]);
}

async function buildTests(out) {
  const entryPoints = [];
  for (const folder of ["unit", "e2e"]) {
    const files = await readdir(join(here, "test", folder));
    entryPoints.push(
      ...files
        .filter((file) => file.endsWith(".test.ts"))
        .map((file) => ({ in: join(here, "test", folder, file), out: `${folder}/${basename(file, ".ts")}` })),
    );
  }
  await rm(out, { recursive: true, force: true });
  await build({
    entryPoints,
    outdir: out,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    platform: "node",
    format: "esm",
    target: ["node18"],
    packages: "external",
    sourcemap: "inline",
    logLevel: "warning",
  });
}

const { values } = parseArgs({ options: { out: { type: "string" }, tests: { type: "string" } } });
if (values.tests) {
  await buildTests(values.tests);
} else {
  await buildPages(values.out ?? join(here, "dist"));
}
