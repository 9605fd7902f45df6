import assert from "node:assert/strict";
import { test } from "node:test";
import { type LaneSource, SegmentCache } from "./segments.ts";

function lane(id: string, loaded: number[] = []): LaneSource {
  return {
    id,
    channelCount: 2,
    async load(index) {
      loaded.push(index);
      if (index === 99) throw new Error("not reachable");
      const channels = [0, 1].map(() => new Float32Array(100));
      return {
        length: 100,
        numberOfChannels: 2,
        getChannelData: (channel: number) => channels[channel],
      } as AudioBuffer;
    },
  };
}

test("the segments that were used last stay, within the limit", async () => {
  const cache = new SegmentCache(2 * 800);
  const vocals = lane("vocals");
  for (const index of [0, 1]) await cache.load(vocals, index);
  assert.equal(cache.bytes, 1600);
  assert.ok(cache.get(vocals, 1));
  assert.ok(cache.get(vocals, 0)); // used again
  await cache.load(vocals, 2);
  assert.equal(cache.bytes, 1600);
  assert.ok(cache.get(vocals, 0));
  assert.equal(cache.get(vocals, 1), null);
});

test("a segment is requested once, and again after a failure", async () => {
  const loaded: number[] = [];
  const cache = new SegmentCache(10_000);
  const drums = lane("drums", loaded);
  await Promise.all([cache.load(drums, 5), cache.load(drums, 5)]);
  assert.deepEqual(loaded, [5]);
  await assert.rejects(cache.load(drums, 99));
  await assert.rejects(cache.load(drums, 99));
  assert.deepEqual(loaded, [5, 99, 99]);
});

test("a seek stops requests that are no longer wanted", async () => {
  let aborted = false;
  const slow: LaneSource = {
    id: "slow",
    channelCount: 2,
    load: (_, signal) =>
      new Promise((_, reject) => {
        signal.addEventListener("abort", () => {
          aborted = true;
          reject(new Error("aborted"));
        });
      }),
  };
  const cache = new SegmentCache(10_000);
  const loading = assert.rejects(cache.load(slow, 3), /aborted/);
  cache.cancel((_, index) => index === 3);
  assert.ok(!aborted);
  cache.cancel(() => false);
  await loading;
  assert.ok(aborted);
});

test("the browser learns the size of every segment, also of those that nothing wants any more", async () => {
  let readBytes = 0;
  const buffer = {
    numberOfChannels: 2,
    getChannelData: () => {
      readBytes += 400;
      return new Float32Array(100);
    },
  } as unknown as AudioBuffer;
  let finish: ((buffer: AudioBuffer) => void) | undefined;
  const decoded = new Promise<AudioBuffer>((resolve) => (finish = resolve));
  const late: LaneSource = { id: "late", channelCount: 2, load: () => decoded };
  const cache = new SegmentCache(10_000);
  const loading = cache.load(late, 7);
  cache.cancel(() => false);
  finish?.(buffer);
  await loading;
  assert.equal(readBytes, 800);
  assert.equal(cache.bytes, 0);
});
