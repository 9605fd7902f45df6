import assert from "node:assert/strict";
import { test } from "node:test";
import { extremes, levelFor, pyramidOf, readPeaks } from "./peaks.ts";

function file(pairs: number[]): ArrayBuffer {
  const bytes = new ArrayBuffer(24 + pairs.length);
  const view = new DataView(bytes);
  [2, 1, 44_100, 256, pairs.length / 2, 1].forEach((value, index) => {
    view.setInt32(4 * index, value, true);
  });
  new Int8Array(bytes, 24).set(pairs);
  return bytes;
}

test("coarser levels keep the extremes", () => {
  const pyramid = pyramidOf(readPeaks(file([-10, 20, -128, 5, 0, 127, -1, 1, -7, 3])));
  assert.deepEqual(
    pyramid.map((level) => level.framesPerPixel),
    [256, 1024, 4096],
  );
  assert.deepEqual([...(pyramid[1]?.pairs ?? [])], [-128, 127, -7, 3]);
  assert.deepEqual([...(pyramid[2]?.pairs ?? [])], [-128, 127]);
  assert.equal(levelFor(pyramid, 1700)?.framesPerPixel, 1024);
  assert.equal(levelFor(pyramid, 5)?.framesPerPixel, 256);
});

test("a range has the extremes of all pixels that it touches", () => {
  const level = readPeaks(file([-10, 20, -128, 5, 0, 64]));
  assert.deepEqual(extremes(level, 0, 256), [-10 / 128, 20 / 128]);
  assert.deepEqual(extremes(level, 255, 513), [-1, 0.5]);
  assert.deepEqual(extremes(level, 9999, 99999), [0, 0]);
});

test("another format is refused", () => {
  assert.throws(() => readPeaks(new ArrayBuffer(24)), /unknown format/);
});
