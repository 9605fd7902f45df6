// Renders the audio engine in Chromium, without a stack, and prints what it measured as JSON.
// Usage: node engine.mjs [seconds of the cancellation]

import { startChromium } from "./chromium.mjs";
import { inPage } from "./rendering.mjs";
import { builtPath, serveBuild } from "./static.mjs";

const server = await serveBuild();
const context = await startChromium();
const complaints = [];
try {
  const page = await context.newPage();
  page.on("console", (message) => complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto(server.url);
  await page.evaluate(inPage);
  const measured = await page.evaluate(measure, {
    module: builtPath("src/audio/measure.ts"),
    cancellationSeconds: Number(process.argv[2] ?? 20),
  });
  console.log(JSON.stringify({ ...measured, complaints }));
} finally {
  await context.close();
  server.close();
}

async function measure({ module, cancellationSeconds }) {
  const engine = await import(module);
  const { decibels, lane, noise, peakOf, render } = globalThis.measuring;
  const rate = 44100;
  const format = { sampleRateHz: rate, frameCount: 8 * rate, segmentFrames: 2 * rate };
  const origin = Math.ceil(0.03 * rate); // the lead before the first frame
  const result = {};

  function difference(samples, count, expected) {
    let worst = 0;
    for (let frame = 0; frame < count; frame++) {
      worst = Math.max(worst, Math.abs(samples[origin + frame] - expected(frame)));
    }
    return decibels(worst);
  }

  // Playback is the file.
  const plain = await render(engine, { format, lanes: [lane("a", "noise", format)], seconds: 9 });
  result.plain_difference_db = difference(plain.left, format.frameCount, (frame) => noise(frame, 0));
  result.plain_states = plain.states;

  // A loop repeats without a gap, to the frame.
  const loop = { start: 80_000, end: 95_000 };
  const looped = await render(engine, {
    format,
    lanes: [lane("a", "noise", format)],
    seconds: 6,
    actions: [
      [-1, "setLoop", loop],
      [-1, "seek", loop.start],
    ],
  });
  // The start within the track fades in, so the first milliseconds do not count.
  const faded = 1000;
  result.loop_difference_db = difference(looped.left, 5.5 * rate, (frame) =>
    frame < faded ? looped.left[origin + frame] : noise(loop.start + (frame % (loop.end - loop.start)), 0),
  );

  // Two inverted lanes cancel, whatever happens to the transport.
  const long = { ...format, frameCount: cancellationSeconds * rate, segmentFrames: 5 * rate };
  const actions = [];
  for (let time = 1; time + 4 < cancellationSeconds; time += 5) {
    actions.push([time, "seek", ((time * 7919) % cancellationSeconds) * rate + 123]);
    actions.push([time + 1, "pause"], [time + 1.5, "play"]);
    actions.push([time + 2, "setLoop", { start: 80_000, end: 95_000 }], [time + 2.5, "seek", 70_000]);
    actions.push([time + 4, "setLoop", null]);
  }
  const cancelled = await render(engine, {
    format: long,
    lanes: [lane("a", "noise", long), lane("b", "inverted", long)],
    seconds: cancellationSeconds,
    actions,
  });
  result.cancellation_db = decibels(Math.max(peakOf(cancelled.left), peakOf(cancelled.right)));
  const alone = await render(engine, { format, lanes: [lane("a", "noise", format)], seconds: 4, actions: actions.slice(0, 3) });
  result.not_cancelled_db = decibels(peakOf(alone.left));
  result.cache_megabytes = cancelled.cacheBytes / 2 ** 20;

  // At another speed, the pitch stays and the time does not.
  const sine = await render(engine, {
    format,
    lanes: [lane("a", "sine", format)],
    seconds: 5,
    actions: [[-1, "setStretch", 1.5, 0]],
  });
  let crossings = 0;
  for (let frame = 2 * rate; frame < 4 * rate; frame++) {
    if (sine.left[frame - 1] < 0 && sine.left[frame] >= 0) crossings++;
  }
  result.stretched_hz = crossings / 2;
  result.stretched_seconds_per_second = (sine.positions[5] - sine.positions[1]) / rate / 2;
  const transposed = await render(engine, {
    format,
    lanes: [lane("a", "sine", format)],
    seconds: 5,
    actions: [[-1, "setStretch", 1, 12]],
  });
  crossings = 0;
  for (let frame = 2 * rate; frame < 4 * rate; frame++) {
    if (transposed.left[frame - 1] < 0 && transposed.left[frame] >= 0) crossings++;
  }
  result.transposed_hz = crossings / 2;
  const fast = await render(engine, {
    format,
    lanes: [lane("a", "noise", format), lane("b", "inverted", format)],
    seconds: 4,
    actions: [[-1, "setStretch", 1.3, -3]],
  });
  result.stretched_cancellation_db = decibels(Math.max(peakOf(fast.left), peakOf(fast.right)));

  // An alternative of a lane replaces it at the same frame. Equal audio shows that nothing is lost between them.
  const switched = await render(engine, {
    format,
    lanes: [lane("a", "noise", format), lane("s", "silence", format)],
    alternatives: new Map([
      ["a", lane("b", "noise", format)],
      ["s", lane("t", "silence", format)],
    ]),
    seconds: 6,
    actions: [
      [1, "hearAlternatives", new Set(["a"])],
      [2, "hearAlternatives", new Set(["a", "s"])],
      [3, "hearAlternatives", new Set()],
    ],
  });
  result.switched_difference_db = difference(switched.left, 5 * rate, (frame) => noise(frame, 0));
  const other = await render(engine, {
    format,
    lanes: [lane("a", "noise", format)],
    alternatives: new Map([["a", lane("b", "silence", format)]]),
    seconds: 3,
    actions: [[1, "hearAlternatives", new Set(["a"])]],
  });
  result.before_switch_db = decibels(peakOf(other.left.subarray(0, rate / 2)));
  result.after_switch_db = decibels(peakOf(other.left.subarray(Math.round(1.1 * rate))));

  // The original replaces the lanes, in the same clock.
  const compared = await render(engine, {
    format,
    lanes: [lane("a", "silence", format)],
    original: lane("o", "noise", format),
    seconds: 4,
    actions: [
      [1, "hearOriginal", true],
      [3, "hearOriginal", false],
    ],
  });
  const heard = compared.left.subarray(2 * rate, 2 * rate + 1000);
  const at = Math.round(compared.positions[3]);
  // The restart of the first comparison moves the clock by less than a frame's rounding; find the offset within a few frames.
  let best = Infinity;
  for (let shift = -2000; shift <= 2000; shift++) {
    let worst = 0;
    for (let frame = 0; frame < 200; frame++) {
      worst = Math.max(worst, Math.abs(heard[frame] - noise(at + shift + frame, 0)));
    }
    best = Math.min(best, worst);
  }
  result.original_difference_db = decibels(best);
  result.after_original_db = decibels(peakOf(compared.left.subarray(Math.round(3.2 * rate))));
  return result;
}
