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
  const loader = new Loader([source], 44_100);
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
  const loader = new Loader([source], 44_100);
  loader.loadAhead([3]);
  await settled();
  loader.loadAhead([90]);
  assert.deepEqual(asked, [3, 90]);
});

test("the cache has room for the sources that play, at their speed", async () => {
  const load = () => Promise.resolve({ numberOfChannels: 0 } as AudioBuffer);
  const source = (id: string): LaneSource => ({ id, channelCount: 2, load });
  const loader = new Loader([source("vocals")], 44_100);
  const seconds = () => loader.cache.limitBytes / (44_100 * 8);
  assert.equal(seconds(), 20);
  loader.speed = 0.5;
  assert.equal(seconds(), 20);
  loader.speed = 2;
  assert.equal(seconds(), 30);
  await loader.add(source("mix"), 0);
  assert.equal(seconds(), 60);
});
