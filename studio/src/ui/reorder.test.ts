import assert from "node:assert/strict";
import { test } from "node:test";
import { moved } from "./reorder.ts";

test("an entry moves up and down, and stays within the list", () => {
  const list = ["a", "b", "c", "d"];
  assert.deepEqual(moved(list, 0, 2), ["b", "c", "a", "d"]);
  assert.deepEqual(moved(list, 3, 0), ["d", "a", "b", "c"]);
  assert.equal(moved(list, 0, -1), list);
  assert.equal(moved(list, 3, 4), list);
  assert.equal(moved(list, 1, 1), list);
  assert.equal(moved(list, 9, 0), list);
});
