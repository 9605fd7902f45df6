import assert from "node:assert/strict";
import { test } from "node:test";
import { Places } from "./places.ts";

const STARTED = { status: 201, body: { data: { job_id: "b3" } } };
const FULL = { status: 429, body: { code: "TOO_MANY_PENDING", message: "You have 2 unfinished jobs." } };
const BUSY = { status: 429, body: { code: "RATE_LIMITED", message: "Too many requests." } };

/** Return a request that gets the responses in turn, and how often it was sent. */
function requestWith(...responses: { status: number; body: object }[]) {
  const sent = { count: 0 };
  const request = async () => {
    const { status, body } = responses[sent.count++] ?? STARTED;
    return Response.json(body, { status });
  };
  return { sent, request };
}

/** Places whose account has unfinished jobs. `end` ends one. */
function placesWithJobs() {
  const places = new Places();
  const waiting: ((isEnded: boolean) => void)[] = [];
  places.untilJobEnds = () => new Promise((resolve) => waiting.push(resolve));
  const end = async (isEnded = true) => {
    while (waiting.length === 0) await new Promise(setImmediate);
    waiting.splice(0).forEach((resolve) => resolve(isEnded));
  };
  return { places, end };
}

test("a request without a place waits, and is sent again whenever a job ends", async () => {
  const { places, end } = placesWithJobs();
  const counts: number[] = [];
  places.waitingCount.subscribe((count) => counts.push(count));
  const { sent, request } = requestWith(FULL, { status: 429, body: { error: "5 unfinished jobs", max_pending: 5 } });
  const answer = places.send(request);
  await end();
  await end();
  const response = await answer;
  assert.deepEqual([response.status, await response.json(), sent.count], [201, STARTED.body, 3]);
  assert.deepEqual(counts, [0, 1, 0, 1, 0]);
});

test("requests are repeated in their order, one after the other", async () => {
  const { places, end } = placesWithJobs();
  const events: string[] = [];
  const send = (name: string) => {
    const { request } = requestWith(FULL);
    return places.send(async () => {
      events.push(`${name} is sent`);
      const response = await request();
      await new Promise(setImmediate);
      events.push(`${name} gets ${response.status}`);
      return response;
    });
  };
  const first = send("first");
  while (places.waitingCount.value === 0) await new Promise(setImmediate);
  const second = send("second");
  while (places.waitingCount.value === 1) await new Promise(setImmediate);
  await end();
  await Promise.all([first, second]);
  assert.deepEqual(events.slice(4), ["first is sent", "first gets 201", "second is sent", "second gets 201"]);
});

test("a request that will never have a place is refused after one more", async () => {
  const { places, end } = placesWithJobs();
  const { sent, request } = requestWith(FULL, FULL, FULL);
  const answer = places.send(request);
  await end(false);
  const response = await answer;
  assert.deepEqual([await response.json(), sent.count], [FULL.body, 2]);
});

test("other refusals return at once", async () => {
  const { sent, request } = requestWith(BUSY);
  assert.deepEqual([(await new Places().send(request)).status, sent.count], [429, 1]);
  const ofProxy = await new Places().send(async () => new Response("Too many requests", { status: 429 }));
  assert.equal(await ofProxy.text(), "Too many requests");
});

test("who cancels the waiting gets the refusal", async () => {
  const { places } = placesWithJobs();
  const { request } = requestWith(FULL);
  const answer = places.send(request);
  while (places.waitingCount.value === 0) await new Promise(setImmediate);
  places.cancel();
  assert.equal((await answer).status, 429);
  assert.equal(places.waitingCount.value, 0);
});
