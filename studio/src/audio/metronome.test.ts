import assert from "node:assert/strict";
import { test } from "node:test";
import { gridOf, NO_GRID } from "./bars.ts";
import { countIn } from "./metronome.ts";

const BEATS = Array.from({ length: 100 }, (_, index) => 0.25 + index * 0.5);

test("the count-in leads into the next beat, with the accent where a bar begins", () => {
  assert.deepEqual(countIn(gridOf(BEATS), 0.25, 0.5), [
    { seconds: 0, accent: true },
    { seconds: 0.5, accent: false },
    { seconds: 1, accent: false },
    { seconds: 1.5, accent: false },
  ]);
  // Half a beat before the second beat of a bar that begins at beat 2: playback starts 2 seconds after the first click would.
  const clicks = countIn(gridOf(BEATS, [], 1.25), 1.5, 0.5);
  assert.deepEqual(
    clicks.map(({ seconds }) => seconds),
    [0.25, 0.75, 1.25, 1.75],
  );
  assert.deepEqual(
    clicks.map(({ accent }) => accent),
    [false, false, false, true],
  );
  assert.equal(countIn(NO_GRID, 3, 0.5)[0]?.seconds, 0);
});

test("the count-in of a waltz has three beats", () => {
  const waltz = gridOf(BEATS, [0.75, 2.25]);
  assert.deepEqual(
    countIn(waltz, 0.25, 0.5).map(({ accent }) => accent),
    [false, true, false],
  );
});
