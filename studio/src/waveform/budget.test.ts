import assert from "node:assert/strict";
import { test } from "node:test";
import { Budget } from "./budget.ts";

test("after a burst, the rate is limited", () => {
  const budget = new Budget(3, 2, 10);
  assert.deepEqual(
    [10, 10, 10, 10].map((seconds) => budget.take(seconds)),
    [0, 0, 0, 0.5],
  );
  assert.equal(budget.take(10.5), 0);
  assert.equal(budget.take(10.5), 0.5);
  assert.deepEqual(
    [99, 99, 99, 99].map((seconds) => budget.take(seconds)),
    [0, 0, 0, 0.5],
  );
});
