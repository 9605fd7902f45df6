import assert from "node:assert/strict";
import { test } from "node:test";
import { pitchNames } from "./pitch-names.ts";

const blackKeys = (key: string) => pitchNames(key).filter((name) => name.length > 1);

test("keys without accidentals, with sharps, and unknown keys have sharps", () => {
  for (const key of ["C major", "A minor", "E major", "F# major", "C# minor", "G# minor", "D# minor", "", "?"]) {
    assert.deepEqual(blackKeys(key), ["C♯", "D♯", "F♯", "G♯", "A♯"], key);
  }
});

test("keys with flats have flats", () => {
  for (const key of ["F major", "A# major", "D# major", "C# major", "D minor", "C minor", "A# minor"]) {
    assert.deepEqual(blackKeys(key), ["D♭", "E♭", "G♭", "A♭", "B♭"], key);
  }
});

test("the names begin with C", () => {
  assert.equal(pitchNames("A minor").join(" "), "C C♯ D D♯ E F F♯ G G♯ A A♯ B");
});
