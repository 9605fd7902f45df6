import assert from "node:assert/strict";
import { test } from "node:test";

const pages: string[] = [];
const statuses: number[] = [];
const page = {
  origin: "http://studio.test",
  pathname: "/studio/jobs",
  assign: (address: string) => pages.push(address),
};
const element = { content: "", dataset: {} };
const document = { querySelector: () => element, addEventListener: () => {} };
const fetch = () => Promise.resolve(Response.json({}, { status: statuses.shift() ?? 200 }));
Object.assign(globalThis, { location: page, document, fetch, window: globalThis, addEventListener: () => {} });
const { getResponse } = await import("./client.ts");

test("a request that left with the session of before a login is repeated", async () => {
  statuses.push(401, 200);
  const { signal } = new AbortController();
  assert.equal((await getResponse("http://studio.test/api/jobs", signal)).status, 200);
  assert.deepEqual(pages, []);
});

test("without a session, the login page opens, and leads back", async () => {
  statuses.push(401, 401);
  const { signal } = new AbortController();
  await assert.rejects(getResponse("http://studio.test/api/jobs", signal));
  assert.deepEqual(pages, ["/users/log-in?return_to=%2Fstudio%2Fjobs"]);
});
