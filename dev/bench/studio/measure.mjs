// Measures the track page with tracks of one and two hours, and prints the figures as JSON.

import { loadavg } from "node:os";
import { serveLong } from "./long.mjs";
import { measureMemory } from "./memory.mjs";
import { test } from "../../../tests/studio/studio.mjs";

const ZOOM_STEPS = 8;
/** Shorter interactions are not reported. */
const SHORTEST_MILLISECONDS = 16;

// The servers of long tracks pass no header that a service worker needs.
test.use({ expected: ["max scope"] });

test("the track page of one and two hours", async ({ browser, context, baseURL, user }) => {
  const trackId = await user.upload("Test tune", 12);
  await user.run("/api/processing/separate", { track_id: trackId, model: "dsp" });
  await user.run("/api/analysis/analyze", { track_id: trackId });
  const storageState = await context.storageState();
  const cookie = storageState.cookies.map(({ name, value }) => `${name}=${value}`).join("; ");
  const twoHours = { address: baseURL, cookie, trackId, seconds: 7200 };

  /** Open the track page of a server, and measure it. */
  async function onPage(origin, measure) {
    const fresh = await browser.newContext({ storageState });
    const page = await fresh.newPage();
    await page.addInitScript(observe);
    await page.goto(`${origin}/studio/tracks/${trackId}`);
    await page.getByRole("button", { name: "Play", exact: true }).waitFor();
    await page.waitForTimeout(3000);
    const measured = await measure(page);
    await fresh.close();
    return measured;
  }

  async function onTrackPage(seconds, measure) {
    const server = await serveLong({ ...twoHours, seconds });
    try {
      return await onPage(server.url, measure);
    } finally {
      server.close();
    }
  }

  const seen = { load_before: loadavg()[0] };
  seen.largest_contentful_paint_milliseconds = await onPage(baseURL, largestPaint);
  Object.assign(seen, await onTrackPage(7200, playAndMix));
  for (const hours of [1, 2]) {
    for (const picture of ["waveforms", "spectrograms"]) {
      seen[`zoom_of_${picture}_of_${hours}_hours_milliseconds`] = await onTrackPage(hours * 3600, (page) => zoom(page, picture));
    }
  }
  Object.assign(seen, await measureMemory(twoHours));
  console.log(JSON.stringify({ ...seen, load_after: loadavg()[0] }));
});

/** Runs in the page. */
function observe() {
  globalThis.measured = { paint: 0, interaction: 0 };
  const note = (type, take, options = {}) =>
    new PerformanceObserver((list) => list.getEntries().forEach(take)).observe({ type, buffered: true, ...options });
  note("largest-contentful-paint", (entry) => (globalThis.measured.paint = entry.startTime));
  const take = ({ interactionId, duration }) => {
    if (interactionId) globalThis.measured.interaction = Math.max(globalThis.measured.interaction, duration);
  };
  note("event", take, { durationThreshold: 16 });
}

function largestPaint(page) {
  return page.evaluate(() => globalThis.measured.paint);
}

async function playAndMix(page) {
  const first_sound_milliseconds = await page.evaluate(firstSound);
  await page.waitForTimeout(3000);
  const interaction_to_next_paint_milliseconds = {};
  for (const name of ["Mute drums", "Solo vocals", "Zoom in", "Show spectrograms", "Zoom out", "Metronome", "Hear the original"]) {
    interaction_to_next_paint_milliseconds[name] = await timed(page, () => click(page, name));
  }
  for (const name of ["Volume of bass", "Pan of bass", "Position"]) {
    const press = () => page.getByRole("slider", { name, exact: true }).press("ArrowLeft");
    interaction_to_next_paint_milliseconds[name] = await timed(page, press);
  }
  return { first_sound_milliseconds, interaction_to_next_paint_milliseconds };
}

/** Runs in the page. Return the time from the click on Play until a meter moves. */
async function firstSound() {
  const start = performance.now();
  document.querySelector('button[aria-label="Play"]').click();
  const bars = [...document.querySelectorAll(".transport .meter i")];
  while (!bars.some((bar) => parseFloat(bar.style.getPropertyValue("--level")) > 1)) {
    await new Promise(requestAnimationFrame);
  }
  return Math.round(performance.now() - start);
}

/** Zoom in and out while the stems play. */
async function zoom(page, picture) {
  await click(page, "Play");
  if (picture !== "waveforms") await click(page, `Show ${picture}`);
  await page.waitForTimeout(3000);
  const steps = [];
  const longest_task_cpu = await longestTask(page, async () => {
    for (const name of ["Zoom in", "Zoom out"]) {
      for (let step = 0; step < ZOOM_STEPS; step++) steps.push(await timed(page, () => click(page, name)));
    }
  });
  steps.sort((a, b) => a - b);
  return { median: steps[ZOOM_STEPS], slowest: steps.at(-1), longest_task_cpu };
}

/** Return the CPU time of the longest task of the page meanwhile, in milliseconds. Other programs do not change it. */
async function longestTask(page, work) {
  const session = await page.context().newCDPSession(page);
  const events = [];
  session.on("Tracing.dataCollected", ({ value }) => value.forEach((event) => events.push(event)));
  const ended = new Promise((resolve) => session.once("Tracing.tracingComplete", resolve));
  const traceConfig = { includedCategories: ["toplevel", "__metadata"] };
  await session.send("Tracing.start", { transferMode: "ReportEvents", traceConfig });
  await work();
  await session.send("Tracing.end");
  await ended;
  const threadOf = ({ pid, tid }) => `${pid} ${tid}`;
  const isMain = ({ name, args }) => name === "thread_name" && args.name === "CrRendererMain";
  const main = new Set(events.filter(isMain).map(threadOf));
  const onMain = events.filter((event) => main.has(threadOf(event)));
  return onMain.reduce((longest, { tdur = 0 }) => Math.max(longest, tdur), 0) / 1000;
}

function click(page, name) {
  return page.getByRole("button", { name, exact: true }).click();
}

/** Return the time from the input to the paint after it. */
async function timed(page, interact) {
  await page.evaluate(() => (globalThis.measured.interaction = 0));
  await interact();
  await page.waitForTimeout(500);
  return Math.max(SHORTEST_MILLISECONDS, await page.evaluate(() => globalThis.measured.interaction));
}
