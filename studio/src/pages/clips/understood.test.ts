import assert from "node:assert/strict";
import { test } from "node:test";
import { type Interpretation, summaryOf, understoodFacts } from "./understood.ts";

const MUSIC: Interpretation = {
  style: "bossa",
  tempo_bpm: 127.66,
  key: "D major",
  bars: 8,
  instruments: ["nylon guitar", "flute"],
  sounds: [],
  chosen: ["key", "sounds"],
  ignored_words: ["granular", "90 bpm"],
  ignored_parameters: ["duration"],
};

test("a clip of music is summed up by style, tempo and key, and one of sounds by its sounds", () => {
  assert.equal(summaryOf(MUSIC), "bossa, 127.7 BPM, D major");
  assert.equal(
    summaryOf({ ...MUSIC, style: null, tempo_bpm: null, key: null, sounds: ["rain", "wind"] }),
    "rain, wind",
  );
});

test("facts say what the seed chose and what had no effect, and leave out what is empty", () => {
  assert.deepEqual(understoodFacts(MUSIC), [
    ["Style", "bossa"],
    ["Tempo", "127.7 BPM"],
    ["Key", "D major (chosen by the seed)"],
    ["Bars", "8"],
    ["Instruments", "nylon guitar, flute"],
    ["Not understood", "granular, 90 bpm"],
    ["Not followed", "the length, because a loop has whole bars of the tempo that you asked for"],
  ]);
});
