import assert from "node:assert/strict";
import { test } from "node:test";
import { ordinalText, spanText } from "./durations.ts";

test("spans are rounded to what an estimate can know", () => {
  const spans = [3, 12, 50, 58, 100, 3540, 3600, 5400, 7300].map(spanText);
  assert.deepEqual(spans, [
    "a few seconds",
    "about 20 seconds",
    "about 50 seconds",
    "about 1 minute",
    "about 2 minutes",
    "about 59 minutes",
    "about 1 hour",
    "about 1.5 hours",
    "about 2 hours",
  ]);
});

test("ordinals have their endings", () => {
  const shown = [1, 2, 3, 4, 11, 12, 13, 21, 102, 111].map(ordinalText);
  assert.deepEqual(shown, ["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "102nd", "111th"]);
});
