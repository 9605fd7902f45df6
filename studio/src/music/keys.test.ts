import assert from "node:assert/strict";
import { test } from "node:test";
import { keyText, noteName, pitchNames, semitonesBetween, transposedKey } from "./keys.ts";

const blackKeys = (key: string) => pitchNames(key).filter((name) => name.length > 1);

test("keys with sharps have sharps", () => {
  for (const key of ["E major", "F# major", "C# minor", "G# minor", "D# minor"]) {
    assert.deepEqual(blackKeys(key), ["C#", "D#", "F#", "G#", "A#"], key);
  }
});

test("keys without accidentals, and unknown ones, have what is usual", () => {
  for (const key of ["C major", "A minor", "", "?"]) {
    assert.deepEqual(blackKeys(key), ["C#", "Eb", "F#", "Ab", "Bb"], key);
  }
});

test("keys with flats have flats", () => {
  for (const key of ["F major", "A# major", "D# major", "C# major", "D minor", "C minor", "A# minor"]) {
    assert.deepEqual(blackKeys(key), ["Db", "Eb", "Gb", "Ab", "Bb"], key);
  }
});

test("the names begin with C", () => {
  assert.equal(pitchNames("A minor").join(" "), "C C# D Eb E F F# G Ab A Bb B");
});

test("keys move by whole semitones", () => {
  assert.equal(transposedKey("A minor", 4), "C# minor");
  assert.equal(transposedKey("C major", -13), "B major");
  assert.equal(transposedKey("C major", 0.5), "");
  assert.equal(transposedKey("?", 0), "?");
  assert.equal(noteName(60) + noteName(46), "C4A#2");
  assert.equal(keyText("A# minor"), "Bb minor");
  assert.equal(semitonesBetween("A minor", "C minor"), 3);
  assert.equal(semitonesBetween("C major", "A major"), -3);
  assert.equal(semitonesBetween("C major", "F# major"), 6);
});
