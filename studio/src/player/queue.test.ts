import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clip } from "../api/client.ts";
import { appended, currentOf, EMPTY, movedBy, type Queue, without } from "./queue.ts";

const clip = (id: string) => ({ id }) as Clip;
const names = (queue: Queue) => queue.clips.map(({ id }) => id).join("");
const abc: Queue = { clips: ["a", "b", "c"].map(clip), index: 1 };

test("next and previous stop at the ends", () => {
  assert.equal(currentOf(movedBy(abc, 1))?.id, "c");
  assert.equal(currentOf(movedBy(movedBy(abc, 1), 1))?.id, "c");
  assert.equal(currentOf(movedBy(movedBy(abc, -1), -1))?.id, "a");
  assert.equal(currentOf(movedBy(EMPTY, 1)), null);
});

test("a clip is in the queue once", () => {
  assert.equal(names(appended(abc, [clip("b"), clip("d")])), "abcd");
});

test("a long queue forgets what was played, never what comes", () => {
  const long = appended(
    { clips: Array.from({ length: 499 }, (_, index) => clip(`x${index}`)), index: 3 },
    ["y", "z", "w", "v", "u"].map(clip),
  );
  assert.equal(currentOf(long)?.id, "x3");
  assert.equal(long.clips.length, 500);
  assert.equal(long.clips[0]?.id, "x3");
});

test("removing keeps the current clip, or goes on to the next one", () => {
  assert.equal(currentOf(without(abc, "a"))?.id, "b");
  assert.equal(currentOf(without(abc, "b"))?.id, "c");
  assert.equal(currentOf(without(without(abc, "c"), "b"))?.id, "a");
  assert.equal(without({ clips: [clip("a")], index: 0 }, "a").index, -1);
  assert.equal(without(abc, "z"), abc);
});
