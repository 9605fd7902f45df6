// The service worker of the studio. It keeps the files of this build, so that the studio starts and changes pages without a server.
// What an account keeps offline of its tracks is in caches that the studio fills (studio/src/api/offline.ts).
// The gateway replaces FILES and SHELL. Each build has other names of files, and so another cache.

const FILES = __FILES__;
const SHELL = __SHELL__;
const CACHE = `studio ${FILES[0]}`;

addEventListener("install", (event) => {
  skipWaiting();
  // A request that outlives its page is lost in a worker.
  const changes = ["DELETE", "PATCH", "POST", "PUT"].map((requestMethod) => ({ condition: { requestMethod }, source: "network" }));
  if (event.addRoutes) event.waitUntil(event.addRoutes(changes));
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(FILES)));
});

addEventListener("activate", (event) => {
  event.waitUntil(
    (async () => {
      for (const name of await caches.keys()) if (name !== CACHE && !name.startsWith("offline ")) await caches.delete(name);
    })(),
  );
});

/** Return the answer of the server, or without a server what is kept offline. A kept waveform serves all resolutions. */
async function answered(request, pathname) {
  try {
    return await fetch(request);
  } catch (error) {
    const kept = await caches.match(request, { ignoreSearch: pathname.endsWith("/waveform"), ignoreVary: true });
    if (kept) return kept;
    throw error;
  }
}

addEventListener("fetch", (event) => {
  const { request } = event;
  const { pathname } = new URL(request.url);
  if (request.mode === "navigate") {
    event.respondWith(fetch(request).catch(() => new Response(SHELL, { headers: { "Content-Type": "text/html" } })));
  } else if (FILES.includes(pathname)) {
    event.respondWith(caches.match(request).then((kept) => kept ?? fetch(request)));
  } else if (request.method === "GET" && pathname.startsWith("/api/")) {
    event.respondWith(answered(request, pathname));
  }
});
