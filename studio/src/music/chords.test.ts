import assert from "node:assert/strict";
import { test } from "node:test";
import { chordText, correctedChords, easiestCapo, segmentAt } from "./chords.ts";

const song = (...labels: string[]) => labels.map((label, at) => ({ start_seconds: at, end_seconds: at + 1, label }));

test("chords are spelled as their key demands", () => {
  assert.equal(chordText("A#m7", "F major", 0), "Bbm7");
  assert.equal(chordText("Bbmaj7/D", "A minor", 2), "Cmaj7/E");
  assert.equal(chordText("F#m7b5/A", "E minor", 0), "F#m7b5/A");
  assert.equal(chordText("G7(b9)", "C major", -2), "F7(b9)");
  assert.equal(chordText("N.C.", "C major", 5), "N.C.");
  assert.equal(chordText("Dadd9", "", 1), "Ebadd9");
});

test("the segment at a time is the last that has begun", () => {
  const segments = song("C", "G", "Am");
  assert.deepEqual(
    [-1, 0, 0.99, 1, 99].map((seconds) => segmentAt(segments, seconds)),
    [-1, 0, 0, 1, 2],
  );
});

test("the easiest capo opens most chords, at the lowest fret", () => {
  assert.equal(easiestCapo(song("C", "G", "Am", "Em"), 0), 0);
  assert.equal(easiestCapo(song("Bb", "F", "Gm", "Eb"), 0), 3);
  assert.equal(easiestCapo(song("C", "G", "Am", "Em"), 3), 3);
});

test("corrections replace what was there, and the later one wins", () => {
  const corrected = correctedChords(song("C", "G", "Am"), [
    { start_seconds: 0.5, end_seconds: 2, label: "F" },
    { start_seconds: 1, end_seconds: 1.5, label: "N.C." },
  ]);
  assert.deepEqual(
    corrected.map(({ start_seconds, end_seconds, label }) => [start_seconds, end_seconds, label]),
    [
      [0, 0.5, "C"],
      [0.5, 1, "F"],
      [1, 1.5, "N.C."],
      [1.5, 2, "F"],
      [2, 3, "Am"],
    ],
  );
});
