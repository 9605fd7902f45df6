import assert from "node:assert/strict";
import { test } from "node:test";
import { barAround, beatSeconds, countIn, firstBeatFrom, nearestBeat } from "./metronome.ts";

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

test("the count-in leads into the next beat, with the accent where a bar begins", () => {
  assert.deepEqual(countIn(BEATS, 0, 0.25, 0.5), [
    { seconds: 0, accent: true },
    { seconds: 0.5, accent: false },
    { seconds: 1, accent: false },
    { seconds: 1.5, accent: false },
  ]);
  // Half a beat before the second beat of a bar that begins at beat 2: playback starts 2 seconds after the first click would.
  const clicks = countIn(BEATS, 2, 1.5, 0.5);
  assert.deepEqual(
    clicks.map(({ seconds }) => seconds),
    [0.25, 0.75, 1.25, 1.75],
  );
  assert.deepEqual(
    clicks.map(({ accent }) => accent),
    [false, false, false, true],
  );
  assert.equal(countIn([], 0, 3, 0.5)[0]?.seconds, 0);
});

test("the nearest beat is before or after", () => {
  assert.deepEqual(
    [0, 0.4, 0.6, 1e6].map((seconds) => nearestBeat(BEATS, seconds)),
    [0, 0, 1, 99],
  );
});

test("a bar has four beats from the first downbeat on", () => {
  assert.deepEqual(barAround(0.25, BEATS, 0), { start: 0.25, end: 2.25 });
  assert.deepEqual(barAround(2.24, BEATS, 0), { start: 0.25, end: 2.25 });
  assert.deepEqual(barAround(2.3, BEATS, 1), { start: 0.75, end: 2.75 });
  assert.equal(barAround(1, [], 0), null);
});
