// The audio engine, rendered in a page with the Content-Security-Policy of the studio.

import { expect, test } from "./studio.mjs";
import { withEngine } from "./rendering.mjs";

const campaignSeconds = Number(process.env.CAMPAIGN_SECONDS ?? 0);

test.beforeEach(({ page }) => page.goto("/studio/components"));

test("playback is the file, a loop has no gap, and the original replaces the lanes in the same clock", async ({ page }) => {
  const measured = await withEngine(page, async ({ difference, format, lane, noise, peak, rate, render }) => {
    const lanes = [lane("a", "noise", format)];
    const plain = await render({ format, lanes, seconds: 9 });

    const loop = { start: 80_000, end: 95_000 };
    const looped = await render({ format, lanes, seconds: 6, actions: [[-1, "setLoop", loop], [-1, "seek", loop.start]] });
    // The start within the track fades in, so the first milliseconds do not count.
    const faded = 1000;
    const inLoop = (frame) => noise(loop.start + ((frame + faded) % (loop.end - loop.start)), 0);

    const compared = await render({
      format,
      lanes: [lane("a", "silence", format)],
      original: lane("o", "noise", format),
      seconds: 4,
      actions: [[1, "hearOriginal", true], [3, "hearOriginal", false]],
    });
    const at = Math.round(compared.positions[3]);
    // The restart of the first comparison moves the clock by less than a frame's rounding; find the offset within a few frames.
    let original = Infinity;
    for (let shift = -2000; shift <= 2000; shift++) {
      original = Math.min(original, difference(compared.left, 200, (frame) => noise(at + shift + frame, 0), 2 * rate));
    }
    return {
      states: plain.states,
      plain: difference(plain.left, format.frameCount, (frame) => noise(frame, 0)),
      loop: difference(looped.left.subarray(faded), 5.5 * rate - faded, inLoop),
      original,
      afterOriginal: peak(compared.left.subarray(Math.round(3.2 * rate))),
    };
  });
  expect(measured.states).toEqual(["buffering", "playing", "stopped"]);
  expect(measured.plain).toBeLessThan(-140); // rounding of 32-bit floats
  expect(measured.loop).toBeLessThan(-140);
  expect(measured.original).toBeLessThan(-140);
  expect(measured.afterOriginal).toBeLessThan(-140);
});

test("inverted lanes cancel through seeks, pauses and loops", async ({ page }) => {
  const measured = await withEngine(
    page,
    async ({ lane, peak, rate, render }, seconds) => {
      const format = { sampleRateHz: rate, frameCount: seconds * rate, segmentFrames: 5 * rate };
      const actions = [];
      for (let time = 1; time + 4 < seconds; time += 5) {
        actions.push([time, "seek", ((time * 7919) % seconds) * rate + 123]);
        actions.push([time + 1, "pause"], [time + 1.5, "play"]);
        actions.push([time + 2, "setLoop", { start: 80_000, end: 95_000 }], [time + 2.5, "seek", 70_000]);
        actions.push([time + 4, "setLoop", null]);
      }
      const lanes = [lane("a", "noise", format), lane("b", "inverted", format)];
      const cancelled = await render({ format, lanes, seconds, actions });
      const fast = await render({ format, lanes, seconds: 4, actions: [[-1, "setStretch", 1.3, -3]] });
      const alone = await render({ format, lanes: lanes.slice(0, 1), seconds: 4, actions: actions.slice(0, 3) });
      return {
        peaks: [cancelled.left, cancelled.right, fast.left, fast.right].map(peak),
        alone: peak(alone.left),
        cacheBytes: cancelled.cacheBytes,
      };
    },
    campaignSeconds || 20,
  );
  expect(Math.max(...measured.peaks)).toBeLessThan(-60);
  expect(measured.alone).toBeGreaterThan(-10);
  expect(measured.cacheBytes).toBeLessThan(200 * 2 ** 20);
});

test("speed keeps the pitch, and transposition keeps the speed", async ({ page }) => {
  const [fast, high] = await withEngine(page, async ({ format, lane, rate, render }) => {
    const stretched = async (...stretch) => {
      const actions = [[-1, "setStretch", ...stretch]];
      const { left, positions } = await render({ format, lanes: [lane("a", "sine", format)], seconds: 5, actions });
      let crossings = 0;
      for (let frame = 2 * rate; frame < 4 * rate; frame++) if (left[frame - 1] < 0 && left[frame] >= 0) crossings++;
      return { hz: crossings / 2, speed: (positions[5] - positions[1]) / rate / 2 };
    };
    return [await stretched(1.5, 0), await stretched(1, 12)];
  });
  expect(Math.abs(fast.hz - 440)).toBeLessThan(2);
  expect(Math.abs(fast.speed - 1.5)).toBeLessThan(0.015);
  expect(Math.abs(high.hz - 880)).toBeLessThan(4);
});

test("separations switch at the same frame without a gap", async ({ page }) => {
  const [difference, before, after] = await withEngine(page, async ({ difference, format, lane, noise, peak, rate, render }) => {
    // Equal audio shows that nothing is lost between an alternative and what it replaces.
    const switched = await render({
      format,
      lanes: [lane("a", "noise", format), lane("s", "silence", format)],
      alternatives: new Map([["a", lane("b", "noise", format)], ["s", lane("t", "silence", format)]]),
      seconds: 6,
      actions: [[1, ["a"]], [2, ["a", "s"]], [3, []]].map(([time, ids]) => [time, "hearAlternatives", new Set(ids)]),
    });
    const other = await render({
      format,
      lanes: [lane("a", "noise", format)],
      alternatives: new Map([["a", lane("b", "silence", format)]]),
      seconds: 3,
      actions: [[1, "hearAlternatives", new Set(["a"])]],
    });
    return [
      difference(switched.left, 5 * rate, (frame) => noise(frame, 0)),
      peak(other.left.subarray(0, rate / 2)),
      peak(other.left.subarray(Math.round(1.1 * rate))),
    ];
  });
  expect(difference).toBeLessThan(-100);
  expect(before).toBeGreaterThan(-10);
  expect(after).toBeLessThan(-100);
});
