import assert from "node:assert/strict";
import { test } from "node:test";
import { gridOf } from "../audio/bars.ts";
import { beatMarks, bounded, timeMarks, timeText, whole, zoomed } from "./view.ts";

const RATE = 44_100;
const HOUR = 3600 * RATE;

test("zooming keeps the frame under the pointer", () => {
  const view = whole(HOUR, 1000);
  const closer = zoomed(view, 8, 250, HOUR, 1000);
  assert.equal(closer.framesPerPixel, view.framesPerPixel / 8);
  assert.ok(Math.abs(closer.start + 250 * closer.framesPerPixel - 250 * view.framesPerPixel) < 1);
  assert.deepEqual(zoomed(closer, 1 / 99, 3, HOUR, 1000), view);
});

test("the view stays within the track", () => {
  assert.equal(bounded({ start: -5, framesPerPixel: 10 }, HOUR, 1000).start, 0);
  assert.equal(bounded({ start: HOUR, framesPerPixel: 10 }, HOUR, 1000).start, HOUR - 10_000);
  assert.equal(bounded({ start: 0, framesPerPixel: 0.01 }, HOUR, 1000).framesPerPixel, 4);
});

test("times are marked at round seconds", () => {
  const marks = timeMarks({ start: RATE, framesPerPixel: RATE / 50 }, 500, RATE);
  assert.deepEqual(
    marks.slice(0, 3).map((mark) => [mark.x, mark.text]),
    [
      [50, "0:02"],
      [150, "0:04"],
      [250, "0:06"],
    ],
  );
  assert.equal(timeText(3725.25, 2), "1:02:05.25");
  assert.equal(timeText(59.999), "0:59");
});

test("bars are numbered from the first downbeat", () => {
  const beats = Array.from({ length: 16 }, (_, index) => index * 0.5);
  const marks = beatMarks({ start: 0, framesPerPixel: RATE / 100 }, 800, RATE, gridOf(beats, [], 0.5));
  assert.deepEqual(
    marks.filter((mark) => mark.isMajor).map((mark) => [mark.x, mark.text]),
    [
      [50, "1"],
      [250, "2"],
      [450, "3"],
      [650, "4"],
    ],
  );
  assert.equal(marks.length, 16);
  const far = beatMarks({ start: 0, framesPerPixel: RATE / 4 }, 800, RATE, gridOf(beats));
  assert.deepEqual(
    far.map((mark) => mark.text),
    ["1"],
  );
});
