import assert from "node:assert/strict";
import { test } from "node:test";
import { balance, decibelText, isHeard, NEUTRAL, panText, toDecibels, toGain } from "./mix.ts";

test("the pan law has constant power, and one side is silent at the other", () => {
  for (const pan of [-1, -0.3, 0, 0.5, 1]) {
    const { left, right } = balance(1, pan, 2);
    assert.ok(Math.abs(left ** 2 + right ** 2 - 2) < 1e-12);
  }
  assert.deepEqual(balance(1, 0, 2), { left: 1, right: 1 });
  assert.equal(balance(1, -1, 2).right, 0);
  assert.equal(balance(1, 1, 2).left, 0);
  assert.ok(Math.abs(toDecibels(balance(1, 1, 2).right) - 3.0103) < 1e-4);
  assert.ok(Math.abs(toDecibels(balance(2, 0, 1).left) - 3.0103) < 1e-4);
});

test("a muted lane is silent, and solo silences the others", () => {
  const [plain, muted, solo] = [NEUTRAL, { ...NEUTRAL, mute: true }, { ...NEUTRAL, solo: true }];
  assert.ok(isHeard(plain, [plain, muted]));
  assert.ok(!isHeard(muted, [plain, muted]));
  assert.ok(!isHeard(plain, [plain, solo]));
  assert.ok(isHeard(solo, [plain, solo]));
  assert.ok(!isHeard({ ...solo, mute: true }, [plain, { ...solo, mute: true }]));
});

test("levels are shown in dB, and the lowest is silence", () => {
  assert.equal(toGain(0), 1);
  assert.equal(toGain(-60), 0);
  assert.equal(toGain(99), 2);
  assert.equal(decibelText(toDecibels(0.5)), "-6.0 dB");
  assert.equal(decibelText(toDecibels(2)), "+6.0 dB");
  assert.equal(decibelText(toDecibels(1)), "0.0 dB");
  assert.equal(decibelText(toDecibels(0)), "silent");
  assert.equal(panText(-0.3), "30% left");
  assert.equal(panText(0), "centre");
});
