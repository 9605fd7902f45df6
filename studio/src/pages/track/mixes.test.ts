import assert from "node:assert/strict";
import { test } from "node:test";

Object.assign(globalThis, { localStorage: { getItem: () => "no JSON" } });
const { mixesOf, mixThatMutes } = await import("./mixes.ts");
const FOUR = ["drums", "bass", "other", "vocals"];

test("mixes are offered for the stems that are there", () => {
  const names = (types: string[]) => mixesOf(types, []).map(({ name }) => name);
  assert.deepEqual(names(["vocals", "instrumental"]), ["all stems", "without vocals", "only vocals"]);
  assert.equal(names(FOUR).length, 6);
});

test("the mix of the muted stems is found, whatever else it mutes", () => {
  const own = [{ name: "duo", muted: ["drums", "bass", "guitar"] }];
  const mixes = mixesOf(FOUR, own);
  assert.equal(mixThatMutes(["other", "vocals"], FOUR, mixes)?.name, "only drums and bass");
  assert.equal(mixThatMutes(["bass", "drums"], FOUR, mixes)?.name, "duo");
  assert.equal(mixThatMutes(["bass", "other"], FOUR, mixes), undefined);
});
