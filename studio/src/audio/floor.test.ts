import assert from "node:assert/strict";
import { test } from "node:test";
import { leaveFloor, takeFloor } from "./floor.ts";

test("whoever starts pauses the one before", () => {
  const paused: string[] = [];
  const mixer = () => void paused.push("mixer");
  const clips = () => void paused.push("clips");
  takeFloor(mixer);
  takeFloor(mixer);
  assert.deepEqual(paused, []);
  takeFloor(clips);
  assert.deepEqual(paused, ["mixer"]);
  leaveFloor(mixer);
  takeFloor(mixer);
  assert.deepEqual(paused, ["mixer", "clips"]);
  leaveFloor(mixer);
  takeFloor(clips);
  assert.deepEqual(paused, ["mixer", "clips"]);
});
