import assert from "node:assert/strict";
import { test } from "node:test";
import { Debounced } from "./debounced.ts";

test("of values in quick succession, the first and the last are passed on", ({ mock }) => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const passed: number[] = [];
  const values = new Debounced<number>((value) => passed.push(value), 100);
  for (let value = 1; value <= 50; value++) {
    values.pass(value);
    mock.timers.tick(16);
  }
  assert.deepEqual(passed, [1]);
  assert.equal(values.waiting, 50);
  mock.timers.tick(100);
  assert.deepEqual(passed, [1, 50]);
  assert.equal(values.waiting, null);
  values.pass(51);
  assert.deepEqual(passed, [1, 50, 51]);
});

test("a value that waits is passed on early, or forgotten", ({ mock }) => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const passed: number[] = [];
  const values = new Debounced<number>((value) => passed.push(value), 100);
  for (const value of [0, 1, 0]) values.pass(value);
  values.flush();
  assert.deepEqual(passed, [0, 0]);
  for (const value of [2, 3]) values.pass(value);
  values.cancel();
  mock.timers.tick(1000);
  assert.deepEqual(passed, [0, 0, 2]);
});
