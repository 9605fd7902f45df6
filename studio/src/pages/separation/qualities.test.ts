import assert from "node:assert/strict";
import { test } from "node:test";
import { choicesOf } from "./qualities.ts";

const plans = (...models: string[]) => models.map((model) => ({ model }));
const namesOf = (...[fast, balanced, best]: [string[], string[], string[]]) =>
  choicesOf({ fast: plans(...fast), balanced: plans(...balanced), best: plans(...best) }).map(({ name }) => name);

test("qualities that run the same models are one choice", () => {
  assert.deepEqual(namesOf(["small"], ["htdemucs"], ["htdemucs_ft"]), ["Fast", "Balanced", "Best"]);
  assert.deepEqual(namesOf(["small"], ["htdemucs"], ["htdemucs"]), ["Fast", "Balanced and best"]);
  assert.deepEqual(namesOf(["small"], ["small"], ["small"]), ["Fast, balanced and best"]);
  // They differ for one of two tracks.
  assert.deepEqual(namesOf(["small", "small"], ["small", "htdemucs"], ["small", "htdemucs"]), [
    "Fast",
    "Balanced and best",
  ]);
  assert.deepEqual(choicesOf({ fast: plans("small"), balanced: plans("large"), best: plans("large") })[1]?.qualities, [
    "balanced",
    "best",
  ]);
});

test("all qualities are offered before the plans are known", () => {
  assert.deepEqual(
    choicesOf(null).map(({ qualities }) => qualities),
    [["fast"], ["balanced"], ["best"]],
  );
});
