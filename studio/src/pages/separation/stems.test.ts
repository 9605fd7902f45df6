import assert from "node:assert/strict";
import { test } from "node:test";
import { stemsOf } from "./stems.ts";

const MODELS = [
  { name: "four", stem_types: ["drums", "bass", "other", "vocals"], available: true },
  { name: "two", stem_types: ["vocals", "accompaniment"], available: true },
  { name: "six", stem_types: ["drums", "bass", "other", "vocals", "guitar", "piano"], available: false },
];

test("a model offers its stems, but for what the others leave", () => {
  assert.deepEqual(stemsOf(MODELS, "six"), MODELS[2]?.stem_types);
  assert.deepEqual(stemsOf(MODELS, "two"), ["vocals"]);
});

test("the automatic choice offers the stems of all available models once", () => {
  assert.deepEqual(stemsOf(MODELS, "auto"), ["drums", "bass", "other", "vocals"]);
});

test("nothing is offered before the models are known", () => {
  for (const model of ["auto", "four"]) assert.deepEqual(stemsOf([], model), []);
  assert.deepEqual(stemsOf(MODELS, "unknown"), []);
});
