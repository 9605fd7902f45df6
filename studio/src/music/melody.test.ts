import assert from "node:assert/strict";
import { test } from "node:test";
import { melodyOf, traceMelody } from "./melody.ts";

function traced(frequencies: readonly number[], pixelsPerValue: number, range: readonly [number, number]): string[] {
  const points: string[] = [];
  const line = {
    moveTo: (x: number, y: number) => points.push(`M ${x} ${y}`),
    lineTo: (x: number, y: number) => points.push(`L ${x} ${y}`),
  };
  const { pitches } = melodyOf(frequencies, 0.1);
  traceMelody(
    line,
    pitches,
    range,
    (index) => index * pixelsPerValue,
    (pitch) => pitch,
  );
  return points;
}

test("the range of a melody has most of its pitches", () => {
  const octave = [0, ...Array.from({ length: 98 }, (_, index) => (index % 2 ? 440 : 880)), 20, 9000];
  assert.deepEqual(melodyOf(octave, 0.1).range, [69, 81]);
  assert.equal(melodyOf([0, 0], 0.1).range, null);
});

test("the line breaks at silence and jumps, and has only what is visible", () => {
  const frequencies = [440, 440, 440, 0, 440, 440, 880, 880];
  assert.deepEqual(traced(frequencies, 2, [1, 8]), ["M 2 69", "L 4 69", "M 8 69", "L 10 69", "M 12 81", "L 14 81"]);
  assert.deepEqual(traced(frequencies, 2, [-3, 2]), ["M 0 69", "L 2 69"]);
});

test("a line far away has one point for each pixel, and shows short notes", () => {
  assert.equal(traced(Array<number>(1000).fill(440), 1 / 64, [0, 1000]).length, 17);
  assert.deepEqual(traced([0, 440, 440, 440, 0], 1 / 64, [0, 5]), ["M 0.015625 69", "L 0.046875 69"]);
});
