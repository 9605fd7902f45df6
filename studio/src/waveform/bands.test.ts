import assert from "node:assert/strict";
import { test } from "node:test";
import { bandOf, columnsPerPixel, tilesIn } from "./bands.ts";

test("a pixel never has fewer columns than it could", () => {
  assert.deepEqual([4, 2048, 4095, 4096, 20_000, 1e9].map(columnsPerPixel), [1, 1, 1, 2, 8, 1024]);
});

test("two hours need few tiles at every zoom", () => {
  const frameCount = 2 * 3600 * 44_100;
  for (const framesPerPixel of [4, 441, 5000, 100_000, frameCount / 1000]) {
    const columns = columnsPerPixel(framesPerPixel);
    const view = { start: frameCount / 3, framesPerPixel: Math.min(framesPerPixel, frameCount / 1500) };
    const tiles = tilesIn(view, 1000, columns, frameCount);
    assert.ok(tiles.length >= 1 && tiles.length <= 4, `${tiles.length} tiles`);
    assert.ok((tiles[0]?.start ?? Infinity) <= view.start);
    assert.ok((tiles.at(-1)?.end ?? 0) >= view.start + 1000 * view.framesPerPixel);
  }
});

test("the tiles end with the track", () => {
  const tiles = tilesIn({ start: 0, framesPerPixel: 4000 }, 1000, 1, 3_000_000);
  assert.deepEqual(
    tiles.map(({ index }) => index),
    [0, 1],
  );
});

test("bands are equally wide in mel", () => {
  assert.equal(bandOf(30), 0);
  assert.equal(bandOf(16_000), 64);
  assert.ok(Math.abs(bandOf(1000) - 17.2) < 0.5);
});
