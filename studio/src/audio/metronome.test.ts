import assert from "node:assert/strict";
import { test } from "node:test";
import { beatSeconds, firstBeatFrom } from "./metronome.ts";

const BEATS = Array.from({ length: 100 }, (_, index) => 0.25 + index * 0.5);

test("beats are found by time", () => {
  assert.equal(firstBeatFrom(BEATS, 0), 0);
  assert.equal(firstBeatFrom(BEATS, 0.25), 0);
  assert.equal(firstBeatFrom(BEATS, 0.26), 1);
  assert.equal(firstBeatFrom(BEATS, 1e6), 100);
});

test("the count-in has the tempo at the position", () => {
  assert.equal(beatSeconds(BEATS, 10), 0.5);
  assert.equal(beatSeconds(BEATS, 1e6), 0.5);
  assert.equal(beatSeconds([], 3), 0.5);
  const slower = BEATS.map((beat) => beat * 2);
  assert.equal(beatSeconds(slower, 0), 1);
});
