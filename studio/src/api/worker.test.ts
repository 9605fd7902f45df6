import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { runInNewContext } from "node:vm";

const SOURCE = readFileSync(
  new URL("../../../services/gateway/web/assets/studio-worker.js", import.meta.url),
  "utf8",
).replace("__FILES__", "['/studio/assets/main-1.js']");

type Answer = () => Response | Promise<Response>;

/** Run the service worker before a server that answers as `answer` says. Return what it answers. */
function worker() {
  const stored = new Map<string, Response>();
  const server: { answer: Answer } = { answer: () => new Response("") };
  const listeners = new Map<string, (event: object) => void>();
  const cache = {
    put: async ({ url }: Request, response: Response) => void stored.set(url, response),
    delete: async ({ url }: Request) => stored.delete(url),
  };
  runInNewContext(SOURCE.replace("__SHELL__", "'the shell'"), {
    URL,
    Response,
    addEventListener: (name: string, listener: (event: object) => void) => listeners.set(name, listener),
    fetch: async () => server.answer(),
    caches: { open: async () => cache, match: async ({ url }: Request) => stored.get(url)?.clone() },
  });
  const get = async (path: string, mode = "cors") => {
    const answers: Promise<Response>[] = [];
    const request = { url: `https://example.org${path}`, method: "GET", mode };
    listeners.get("fetch")?.({ request, respondWith: (answer: Promise<Response>) => answers.push(answer) });
    const response = await answers[0];
    return response && `${response.status} ${await response.text()}`;
  };
  return { server, get };
}

const away = {
  "no connection": () => Promise.reject(new TypeError("Failed to fetch")),
  "a proxy without the server": () => new Response("", { status: 502 }),
};

for (const [name, answer] of Object.entries(away)) {
  test(`setlists are there as they were seen last: ${name}`, async () => {
    const { server, get } = worker();
    for (const path of ["/api/setlists", "/api/setlists/7", "/api/tracks"]) {
      server.answer = () => new Response(`${path} now`);
      await get(path);
    }
    server.answer = answer;
    assert.equal(await get("/api/setlists"), "200 /api/setlists now");
    assert.equal(await get("/api/setlists/7"), "200 /api/setlists/7 now");
    assert.notEqual(await get("/api/tracks").catch(() => ""), "200 /api/tracks now");
    assert.equal(await get("/studio/setlists", "navigate"), "200 the shell");
  });
}

test("a setlist that is gone is forgotten, and a failure forgets nothing", async () => {
  const { server, get } = worker();
  server.answer = () => new Response("seven");
  await get("/api/setlists/7");
  server.answer = () => new Response("", { status: 503 });
  assert.equal(await get("/api/setlists/7"), "503 ");
  server.answer = away["no connection"];
  assert.equal(await get("/api/setlists/7"), "200 seven");
  server.answer = () => new Response("", { status: 404 });
  await get("/api/setlists/7");
  server.answer = away["no connection"];
  await assert.rejects(get("/api/setlists/7"), /Failed to fetch/);
});
