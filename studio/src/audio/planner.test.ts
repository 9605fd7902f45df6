import assert from "node:assert/strict";
import { test } from "node:test";
import { Planner } from "./planner.ts";
import type { Piece } from "./timeline.ts";

const FORMAT = { frameCount: 1000, segmentFrames: 300 };

function taken(planner: Planner, output: number): Piece[] {
  const pieces: Piece[] = [];
  planner.fill(output);
  while (planner.next && planner.next.output < output) {
    pieces.push(planner.next);
    planner.advance();
  }
  return pieces;
}

test("pieces cover the track without gaps", () => {
  const planner = new Planner(250, FORMAT, null);
  assert.deepEqual(taken(planner, 5000), [
    { segment: 0, offset: 250, frames: 50, output: 0 },
    { segment: 1, offset: 0, frames: 300, output: 50 },
    { segment: 2, offset: 0, frames: 300, output: 350 },
    { segment: 3, offset: 0, frames: 100, output: 650 },
  ]);
  assert.ok(planner.ended);
  assert.equal(planner.length, 750);
  assert.equal(planner.positionAt(0), 250);
  assert.equal(planner.positionAt(700), 950);
  assert.equal(planner.positionAt(9999), 1000);
  assert.equal(planner.positionAt(-50), 250);
});

test("a loop repeats to the frame", () => {
  const planner = new Planner(550, FORMAT, { start: 500, end: 700 });
  assert.deepEqual(taken(planner, 600), [
    { segment: 1, offset: 250, frames: 50, output: 0 },
    { segment: 2, offset: 0, frames: 100, output: 50 },
    { segment: 1, offset: 200, frames: 100, output: 150 },
    { segment: 2, offset: 0, frames: 100, output: 250 },
    { segment: 1, offset: 200, frames: 100, output: 350 },
    { segment: 2, offset: 0, frames: 100, output: 450 },
    { segment: 1, offset: 200, frames: 100, output: 550 },
  ]);
  assert.ok(!planner.ended);
  assert.equal(planner.positionAt(149), 699);
  assert.equal(planner.positionAt(150), 500);
  assert.equal(planner.positionAt(351), 501);
});

test("a position after the loop plays to the end", () => {
  const planner = new Planner(900, FORMAT, { start: 0, end: 100 });
  assert.equal(taken(planner, 5000).length, 1);
  assert.ok(planner.ended);
});

test("only what sounds soon is loaded", () => {
  const planner = new Planner(0, { frameCount: 1_000_000, segmentFrames: 300 }, null);
  planner.fill(900);
  assert.deepEqual(
    planner.coming.map((piece) => piece.segment),
    [0, 1, 2],
  );
  assert.ok(planner.needsSoon(2, 900));
  assert.ok(!planner.needsSoon(3, 900));
});
