/**
 * Keeps the phone page, so that it opens without a network. What it keeps is one build's files, all or none: the build fills
 * in their names and a version, and another version is another cache.
 */

export {};

declare const self: ServiceWorkerGlobalScope;
declare const TIDERACE_FILES: string[];
declare const TIDERACE_VERSION: string;

const CACHE = `tiderace-${TIDERACE_VERSION}`;

self.addEventListener("install", (event) => {
  event.waitUntil(
    (async () => {
      const cache = await caches.open(CACHE);
      await cache.addAll(TIDERACE_FILES.map((file) => new Request(file, { cache: "reload" })));
      await self.skipWaiting();
    })(),
  );
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    (async () => {
      const old = (await caches.keys()).filter((name) => name.startsWith("tiderace-") && name !== CACHE);
      await Promise.all(old.map((name) => caches.delete(name)));
      await self.clients.claim();
    })(),
  );
});

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== self.location.origin) {
    return;
  }
  if (TIDERACE_FILES.includes(url.pathname)) {
    event.respondWith(kept(event.request));
  }
});

async function kept(request: Request): Promise<Response> {
  const cache = await caches.open(CACHE);
  return (await cache.match(request, { ignoreSearch: true })) ?? fetch(request);
}
