import assert from "node:assert/strict";
import { test } from "node:test";
import { Loader } from "./loader.ts";
import type { LaneSource } from "./segments.ts";

/** A source whose loads fail with `error`. */
function failing(error: Error): { source: LaneSource; asked: number[] } {
  const asked: number[] = [];
  const load = (index: number) => {
    asked.push(index);
    return Promise.reject(error);
  };
  return { source: { id: "vocals", channelCount: 2, load }, asked };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test("after a failure, loading ahead waits a while", async ({ mock }) => {
  let now = 5000;
  mock.method(performance, "now", () => now);
  const { source, asked } = failing(new Error("not reachable"));
  const loader = new Loader([source], 1, 44_100);
  loader.loadAhead([3, 3, 4]);
  await settled();
  loader.loadAhead([3]);
  assert.deepEqual(asked, [3, 4]);
  now += 1000;
  loader.loadAhead([3]);
  assert.deepEqual(asked, [3, 4, 3]);
});

test("after a seek, which stops loads, loading ahead goes on at once", async () => {
  const { source, asked } = failing(new DOMException("stopped", "AbortError"));
  const loader = new Loader([source], 1, 44_100);
  loader.loadAhead([3]);
  await settled();
  loader.loadAhead([90]);
  assert.deepEqual(asked, [3, 90]);
});
