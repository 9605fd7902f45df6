// Measures the track page in Chromium with a track of two hours, and prints the figures as JSON.
// Usage: node measure.mjs ADDRESS SESSION-COOKIE TRACK-ID
// The page and the audio come from the server. The track of the argument has stems of some seconds, which stand for two hours:
// their segments repeat, and their waveforms do, too. So each segment is fetched and decoded as that of a long track.

import { readFileSync } from "node:fs";
import { loadavg } from "node:os";
import { startChromium } from "./chromium.mjs";

const SECONDS = 7200;
const SEEKS = 14;
const [address, cookie, trackId] = process.argv.slice(2);
const context = await startChromium({ viewport: { width: 1280, height: 800 } });
const [name, value] = cookie.split("=");
await context.addCookies([{ name, value, url: address }]);
const seen = { load_before: loadavg()[0] };
try {
  const page = await context.newPage();
  page.setDefaultTimeout(120_000);
  await lengthen(page);
  await page.addInitScript(() => {
    globalThis.measured = { paint: 0, interaction: 0 };
    const observe = (type, note, options = {}) =>
      new PerformanceObserver((list) => list.getEntries().forEach(note)).observe({ type, buffered: true, ...options });
    observe("largest-contentful-paint", (entry) => (globalThis.measured.paint = entry.startTime));
    observe(
      "event",
      ({ interactionId, duration }) => {
        if (interactionId) globalThis.measured.interaction = Math.max(globalThis.measured.interaction, duration);
      },
      { durationThreshold: 16 },
    );
  });
  const button = (name) => page.getByRole("button", { name, exact: true });
  await page.goto(`${address}/studio/tracks/${trackId}`);
  await button("Play").waitFor();
  await page.waitForTimeout(3000);
  seen.largest_contentful_paint_milliseconds = await page.evaluate(() => globalThis.measured.paint);
  seen.idle_megabytes = memory();

  seen.first_sound_milliseconds = await page.evaluate(async () => {
    const start = performance.now();
    document.querySelector('button[aria-label="Play"]').click();
    const bars = [...document.querySelectorAll(".transport .meter i")];
    while (!bars.some((bar) => parseFloat(bar.style.getPropertyValue("--level")) > 1)) {
      await new Promise(requestAnimationFrame);
    }
    return performance.now() - start;
  });
  await page.waitForTimeout(5000);
  seen.playing_megabytes = memory();

  await page.evaluate(() => (globalThis.measured.interaction = 0));
  for (const one of ["Mute drums", "Solo vocals", "Zoom in", "Zoom in", "Show spectrograms", "Zoom out", "Show spectrograms"]) {
    await button(one).click();
    await page.waitForTimeout(300);
  }
  await page.getByRole("slider", { name: "Volume of bass" }).press("ArrowLeft");
  await page.waitForTimeout(500);
  seen.interaction_to_next_paint_milliseconds = await page.evaluate(() => globalThis.measured.interaction);

  let peak = 0;
  for (let seek = 1; seek <= SEEKS; seek++) {
    await page.getByRole("slider", { name: "Position" }).fill(String((seek * 977) % SECONDS));
    await page.waitForTimeout(1000);
    peak = Math.max(peak, memory());
  }
  seen.seeking_megabytes = peak;
  await page.waitForTimeout(20_000);
  seen.after_seeks_megabytes = memory();
  console.log(JSON.stringify({ ...seen, load_after: loadavg()[0] }));
} finally {
  await context.close();
}

/** Resident memory of the largest renderer of this browser. */
function memory() {
  const sizes = children(process.pid).map((id) => {
    const command = read(`/proc/${id}/cmdline`);
    return command.includes("--type=renderer") ? Number(/VmRSS:\s+(\d+)/.exec(read(`/proc/${id}/status`))?.[1] ?? 0) : 0;
  });
  return Math.round(Math.max(...sizes) / 1024);
}

function children(id) {
  const own = read(`/proc/${id}/task/${id}/children`).split(" ").filter(Boolean);
  return own.flatMap((child) => [child, ...children(child)]);
}

function read(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // the process has ended
  }
}

/** Let the track seem to be two hours long. */
async function lengthen(page) {
  const counts = new Map();
  await page.route(`**/api/tracks/${trackId}/stems*`, async (route) => {
    const response = await route.fetch();
    const { data } = await response.json();
    for (const stem of [data.mix, ...data.stems]) {
      counts.set(stem.id, Math.floor(stem.frame_count / stem.segment_frame_count));
      stem.frame_count = SECONDS * stem.sample_rate_hz;
      stem.segment_count = Math.ceil(stem.frame_count / stem.segment_frame_count);
    }
    await route.fulfill({ response, json: { data } });
  });
  await page.route("**/api/stems/*/segments/*", (route) => {
    const [, start, id, index] = /^(.*\/stems\/([\w-]+)\/segments\/)(\d+)/.exec(route.request().url());
    return route.continue({ url: `${start}${Number(index) % counts.get(id)}` });
  });
  await page.route("**/api/stems/*/waveform*", async (route) => {
    const pixelFrames = Number(new URL(route.request().url()).searchParams.get("samples_per_pixel") ?? 256);
    const source = await (await route.fetch({ url: route.request().url().split("?")[0] })).body();
    const pixels = Math.ceil((SECONDS * 44_100) / pixelFrames);
    const body = Buffer.alloc(24 + 2 * pixels);
    source.copy(body, 0, 0, 24);
    body.writeInt32LE(pixelFrames, 12);
    body.writeInt32LE(pixels, 16);
    for (let at = 24; at < body.length; at += source.length - 24) source.copy(body, at, 24);
    await route.fulfill({ body, contentType: "application/octet-stream" });
  });
}
