import assert from "node:assert/strict";
import { test } from "node:test";
import { stemsOf } from "./stems.ts";

const MODELS = [
  { name: "four", stem_types: ["drums", "bass", "other", "vocals"] },
  { name: "two", stem_types: ["vocals", "other"] },
  { name: "six", stem_types: ["drums", "bass", "other", "vocals", "guitar", "piano"] },
];

test("a model offers its stems, and the default is the first one", () => {
  assert.deepEqual(stemsOf(MODELS, "two"), ["vocals", "other"]);
  assert.deepEqual(stemsOf(MODELS, ""), MODELS[0]?.stem_types);
});

test("the automatic choice offers the stems of all models once", () => {
  assert.deepEqual(stemsOf(MODELS, "auto"), ["drums", "bass", "other", "vocals", "guitar", "piano"]);
});

test("nothing is offered before the models are known", () => {
  for (const model of ["", "auto", "four"]) assert.deepEqual(stemsOf([], model), []);
  assert.deepEqual(stemsOf(MODELS, "unknown"), []);
});
