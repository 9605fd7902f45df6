// The service worker of the studio. It keeps the files of this build, so that the studio starts and changes pages without a server.
// The gateway replaces FILES and SHELL. Each build has other names of files, and so another cache.

const FILES = __FILES__;
const SHELL = __SHELL__;
const CACHE = `studio ${FILES[0]}`;

addEventListener("install", (event) => {
  skipWaiting();
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(FILES)));
});

addEventListener("activate", (event) => {
  event.waitUntil(
    (async () => {
      for (const name of await caches.keys()) if (name !== CACHE) await caches.delete(name);
    })(),
  );
});

addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.mode === "navigate") {
    event.respondWith(fetch(request).catch(() => new Response(SHELL, { headers: { "Content-Type": "text/html" } })));
  } else if (FILES.includes(new URL(request.url).pathname)) {
    event.respondWith(caches.match(request).then((kept) => kept ?? fetch(request)));
  }
});
