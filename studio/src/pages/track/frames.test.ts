import assert from "node:assert/strict";
import { test } from "node:test";
import { keepInSight } from "./frames.ts";

/** Return how a box of 100 pixels scrolls to a row of 20 pixels. */
function scrollTo(top: number): ScrollToOptions | null {
  let scrolled: ScrollToOptions | null = null;
  const box = {
    getBoundingClientRect: () => ({ top: 0, bottom: 100, height: 100 }),
    scrollBy: (options: ScrollToOptions) => (scrolled = options),
  } as unknown as HTMLElement;
  keepInSight(box, { getBoundingClientRect: () => ({ top, bottom: top + 20, height: 20 }) } as Element);
  return scrolled;
}

test("the next line comes smoothly, and a far one at once, without those on the way", () => {
  assert.equal(scrollTo(40), null);
  assert.deepEqual(scrollTo(90), { top: 65, behavior: "smooth" });
  assert.deepEqual(scrollTo(-50), { top: -75, behavior: "smooth" });
  assert.deepEqual(scrollTo(9000), { top: 8975, behavior: "instant" });
});
