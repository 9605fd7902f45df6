import assert from "node:assert/strict";
import { test } from "node:test";
import { isAway, refusal } from "./errors.ts";

test("a refusal of a proxy says what to do", () => {
  assert.match(refusal(413, null).message, /Ask the operator to raise its limit/);
  const away = refusal(502, null);
  assert.match(away.message, /Try again in a minute/);
  assert.ok(isAway(away));
  const ours = { code: "QUOTA_EXCEEDED", message: "Delete tracks first." };
  assert.deepEqual(refusal(413, ours).message, "Delete tracks first.");
});

const sentences: [string, object, string][] = [
  [
    "fields of the API",
    {
      code: "VALIDATION_ERROR",
      message: "Some fields are invalid.",
      details: { bpm: ["must be from 20 to 400"], name: ["can't be blank"] },
    },
    "The tempo must be from 20 to 400. The name can't be blank.",
  ],
  [
    "a sentence that repeats the problem",
    {
      code: "VALIDATION_ERROR",
      message: "The url must begin with https://.",
      details: { url: ["must begin with https://"] },
    },
    "The address must begin with https://.",
  ],
  ["the soundbox dialect", { error: "duration must be at least 1" }, "The length must be at least 1."],
  [
    "an ID",
    { message: "There is no such track. Check the ID; it may have been deleted." },
    "There is no such track. It may have been deleted.",
  ],
  [
    "several IDs",
    {
      message:
        "You have no such tracks: 0f8fad5b-d9cb-469f-a165-70867728950e. Check the IDs; they may have been deleted.",
    },
    "You have no such tracks. They may have been deleted.",
  ],
  ["an ID alone", { message: "There is no such stem. Check the ID." }, "There is no such stem."],
  ["a sentence for people", { error: "Prompt is required" }, "Prompt is required"],
  [
    "other details",
    {
      code: "PASSWORD_NEEDED",
      message: "Enter your current password.",
      details: { current_password: ["is required"] },
    },
    "Enter your current password.",
  ],
];

for (const [name, body, text] of sentences) {
  test(`a refusal uses the words of the pages: ${name}`, () => assert.equal(refusal(422, body).message, text));
}
