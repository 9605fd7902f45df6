import assert from "node:assert/strict";
import { test } from "node:test";
import { gridOf, NO_GRID } from "../audio/bars.ts";
import { blocksOf, chartOf } from "./chart.ts";

const BEATS = Array.from({ length: 12 }, (_, beat) => 1 + beat * 0.5);
const CHORDS = [
  { start_seconds: 0, end_seconds: 2.04, label: "N.C." },
  { start_seconds: 2.04, end_seconds: 4.9, label: "Am" },
  { start_seconds: 4.9, end_seconds: 7, label: "F" },
];

test("chords begin at the nearest beat, and go on in the next bar", () => {
  const [only] = chartOf(gridOf(BEATS), CHORDS, []);
  assert.deepEqual(
    only?.bars.map(({ number, chords }) => [number, ...chords.map((chord) => `${chord.label} ${chord.beat}`)]),
    [
      [1, "N.C. 0", "Am 2"],
      [2, "Am 0"],
      [3, "F 0"],
    ],
  );
  assert.deepEqual(
    only?.bars.flatMap(({ chords }) => chords.map(({ isHeld }) => isHeld)),
    [false, false, true, false],
  );
});

test("bars belong to the section in which they begin, give or take half a beat", () => {
  const sections = [
    { label: "A", start_seconds: 0, end_seconds: 5.2 },
    { label: "B", start_seconds: 5.2, end_seconds: 7 },
  ];
  const chart = chartOf(gridOf(BEATS), CHORDS, sections);
  assert.deepEqual(
    chart.map(({ label, bars }) => [label, ...bars.map(({ number }) => number)]),
    [
      ["A", 1, 2],
      ["B", 3],
    ],
  );
});

test("without beats, each chord has a bar", () => {
  const [only] = chartOf(NO_GRID, CHORDS, []);
  assert.deepEqual(
    only?.bars.map(({ number, chords }) => [number, chords[0]?.label]),
    [
      [null, "N.C."],
      [null, "Am"],
      [null, "F"],
    ],
  );
});

test("long sections have several blocks, the first of which has the label", () => {
  const sections = [
    { start_seconds: 0, end_seconds: 5, label: "A" },
    { start_seconds: 5, end_seconds: 7, label: "B" },
  ];
  const blocks = blocksOf(chartOf(gridOf(BEATS), CHORDS, sections), 1);
  assert.deepEqual(
    blocks.map(({ label, bars }) => [label, ...bars.map(({ number }) => number)]),
    [
      ["A", 1],
      ["", 2],
      ["B", 3],
    ],
  );
});
