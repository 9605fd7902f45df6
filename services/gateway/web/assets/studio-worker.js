// The service worker of the studio. It keeps the files of this build, so that the studio starts and changes pages without a server.
// What an account keeps offline of its tracks is in caches that the studio fills, and empties (studio/src/api/offline.ts).
// The gateway replaces FILES and SHELL. Each build has other names of files, and so another cache.

const FILES = __FILES__;
const SHELL = __SHELL__;
const CACHE = `studio ${FILES[0]}`;
/** The setlists as they were seen last. */
const SEEN = "offline setlists";
const SETLISTS = /^\/api\/setlists(\/[^/]+)?$/;

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

/** Return whether a proxy says that the server is away. */
const isAway = ({ status }) => status === 502 || status === 504;

/** Return the answer of the server, or without a server what is kept offline. A kept waveform serves all resolutions. */
async function answered(request, pathname) {
  const kept = () => caches.match(request, { ignoreSearch: pathname.endsWith("/waveform"), ignoreVary: true });
  try {
    const answer = await fetch(request);
    if (isAway(answer)) return (await kept()) ?? answer;
    if (SETLISTS.test(pathname)) await keepSeen(request, answer).catch(() => {}); // without room, it is not kept
    return answer;
  } catch (error) {
    const found = await kept();
    if (found) return found;
    throw error;
  }
}

/** Keep what the account has seen last. */
async function keepSeen(request, answer) {
  const cache = await caches.open(SEEN);
  if (answer.ok) await cache.put(request, answer.clone());
  else if (answer.status === 404) await cache.delete(request);
}

addEventListener("fetch", (event) => {
  const { request } = event;
  const { pathname } = new URL(request.url);
  if (request.mode === "navigate") {
    const shell = () => new Response(SHELL, { headers: { "Content-Type": "text/html" } });
    event.respondWith(fetch(request).then((answer) => (isAway(answer) ? shell() : answer), shell));
  } else if (FILES.includes(pathname)) {
    event.respondWith(caches.match(request).then((kept) => kept ?? fetch(request)));
  } else if (request.method === "GET" && pathname.startsWith("/api/")) {
    event.respondWith(answered(request, pathname));
  }
});
