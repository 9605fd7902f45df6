import assert from "node:assert/strict";
import { test } from "node:test";
import { signal } from "@preact/signals";
import { Music } from "./music.ts";

test("notes of the model for pianos replace those of the same stem", () => {
  const music = new Music(signal(0));
  const part = (name: string, pitch: number) => ({ name, notes: [[0, 1, pitch, 90]] });
  const read = { source: "stems bass, piano", model: "basic-pitch" };
  music.analysis.value = {
    notes: { ...read, parts: [part("bass", 40), part("piano", 60)] },
    piano_notes: { ...read, parts: [{ ...part("piano", 64), pedals: [[0, 1]] }] },
  } as never;
  assert.deepEqual(
    music.parts.value.map(({ name, notes }) => [name, notes[0]?.[2]]),
    [
      ["bass", 40],
      ["piano", 64],
    ],
  );
});
