import assert from "node:assert/strict";
import { test } from "node:test";
import { barAround, barsOf, beatSeconds, firstBeatFrom, gridOf, nearestBeat, NO_GRID } from "./bars.ts";

const BEATS = Array.from({ length: 100 }, (_, index) => 0.25 + index * 0.5);

test("beats are found by time", () => {
  assert.equal(firstBeatFrom(BEATS, 0), 0);
  assert.equal(firstBeatFrom(BEATS, 0.25), 0);
  assert.equal(firstBeatFrom(BEATS, 0.26), 1);
  assert.equal(firstBeatFrom(BEATS, 1e6), 100);
});

test("the tempo is that of the position", () => {
  assert.equal(beatSeconds(BEATS, 10), 0.5);
  assert.equal(beatSeconds(BEATS, 1e6), 0.5);
  assert.equal(beatSeconds([], 3), 0.5);
  const slower = BEATS.map((beat) => beat * 2);
  assert.equal(beatSeconds(slower, 0), 1);
});

test("the nearest beat is before or after", () => {
  assert.deepEqual(
    [0, 0.4, 0.6, 1e6].map((seconds) => nearestBeat(BEATS, seconds)),
    [0, 0, 1, 99],
  );
});

test("a bar has four beats from the first downbeat on", () => {
  assert.deepEqual(barAround(0.25, gridOf(BEATS)), { start: 0.25, end: 2.25 });
  assert.deepEqual(barAround(2.24, gridOf(BEATS)), { start: 0.25, end: 2.25 });
  assert.deepEqual(barAround(2.3, gridOf(BEATS, [], 0.75)), { start: 0.75, end: 2.75 });
  assert.equal(barAround(1, NO_GRID), null);
});

test("detected bars may change their length, and go on with the usual one", () => {
  const grid = gridOf(BEATS, [1.26, 2.74, 4.75, 6.25]);
  assert.deepEqual(grid.bars, [2, 5, 9, 12]);
  assert.deepEqual(barsOf(grid).slice(0, 5), [
    { number: null, start: -1, end: 2 },
    { number: 1, start: 2, end: 5 },
    { number: 2, start: 5, end: 9 },
    { number: 3, start: 9, end: 12 },
    { number: 4, start: 12, end: 15 },
  ]);
  assert.deepEqual(barAround(3, grid), { start: 2.75, end: 4.75 });
});

test("the user moves detected bars, and says where bar 1 is", () => {
  const grid = gridOf(BEATS, [0.25, 1.75, 3.25, 4.75], 2.3);
  assert.deepEqual(grid.bars, [1, 4, 7, 10]);
  assert.deepEqual(
    barsOf(grid)
      .map(({ number }) => number)
      .slice(0, 4),
    [null, null, 1, 2],
  );
});
