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
