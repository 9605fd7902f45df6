// A first visit in Chromium: upload, separation, mixing, export. Prints what it saw as JSON.
// Usage: node story.mjs ADDRESS SESSION-COOKIE FILE [FOLDER FOR SCREENSHOTS]

import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { startChromium } from "./chromium.mjs";
import { inPage } from "./rendering.mjs";
import { builtPath } from "./static.mjs";
import { Watch } from "./watched.mjs";

const [address, cookie, file, pictures = ""] = process.argv.slice(2);
const context = await startChromium({ viewport: { width: 1280, height: 800 }, acceptDownloads: true, bypassCSP: false });
const [name, value] = cookie.split("=");
await context.addCookies([{ name, value, url: address }]);
const watch = new Watch(pictures);
const seen = {};
try {
  const page = await watch.open(context);
  page.setDefaultTimeout(120_000);
  const button = (name) => page.getByRole("button", { name, exact: true });

  await page.goto(`${address}/studio`);
  await button("Load the demo song").waitFor();
  await watch.check(page, "tracks");

  // A file that is no audio is refused with the sentence of the server; another one becomes a track.
  const input = page.getByLabel("Files to upload");
  await input.setInputFiles({ name: "notes.txt", mimeType: "text/plain", buffer: Buffer.from("no audio") });
  seen.refusal = await page.getByRole("alert").innerText();
  await button("Dismiss notes.txt").click();
  await input.setInputFiles(file);
  await page.getByRole("link", { name: basename(file).replace(/\.\w+$/, "") }).click();

  // Without stems, the page offers to make them.
  await button("Separate into stems").waitFor();
  await watch.check(page, "track without stems");
  await page.getByLabel("Model").selectOption("dsp");
  await button("Analyse").click();
  await button("Separate into stems").click();
  await button("Play").waitFor();
  await button("Analyse again").waitFor();
  await page.waitForFunction(() => !document.querySelector("progress"));
  seen.lanes = await page.locator(".lane h3").allInnerTexts();
  seen.facts = await page.locator(".facts").innerText();

  // The clock advances and the meters move.
  await watch.check(page, "mixer");
  const pressed = Date.now();
  await button("Play").click();
  await page.waitForFunction(() => parseFloat(document.querySelector(".position-time").textContent.slice(2)) > 0);
  seen.milliseconds_to_sound = Date.now() - pressed;
  await page.waitForFunction(() => {
    const bars = [...document.querySelectorAll(".transport .meter i")];
    return bars.some((bar) => parseFloat(bar.style.getPropertyValue("--level")) > 20);
  });
  await button("Mute drums").click();
  await button("Solo vocals").click();
  await page.getByRole("slider", { name: "Volume of vocals" }).press("ArrowLeft");
  await page.getByRole("slider", { name: "Pan of vocals" }).fill("-0.5");
  seen.volume = await page.getByRole("slider", { name: "Volume of vocals" }).getAttribute("aria-valuetext");
  seen.pan = await page.getByRole("slider", { name: "Pan of vocals" }).getAttribute("aria-valuetext");
  await page.keyboard.press("Escape");
  await button("Hear the original").click();
  await page.waitForFunction(() => document.querySelectorAll(".lane.silent").length === 4);
  await button("Hear the original").click();
  await page.getByRole("slider", { name: "Speed" }).fill("1.5");
  await button("Pause").click();
  await page.locator("body").press("?");
  await watch.check(page, "shortcuts");
  await button("Close").click();

  // The mixer survives a reload.
  await page.reload();
  await button("Play").waitFor();
  seen.after_reload = {
    solo: await button("Solo vocals").getAttribute("aria-pressed"),
    speed: await page.getByRole("slider", { name: "Speed" }).inputValue(),
    pan: await page.getByRole("slider", { name: "Pan of vocals" }).inputValue(),
  };
  await page.getByRole("slider", { name: "Speed" }).fill("1");
  await button("Solo vocals").click(); // the drums stay muted, the vocals lowered and to the left

  // What is heard equals the export.
  await page.getByLabel("Format").selectOption("wav32f");
  const downloading = page.waitForEvent("download");
  await button("Export the mix").click();
  const download = await downloading;
  seen.export_name = download.suggestedFilename();
  const exported = readFileSync(await download.path()).toString("base64");
  await page.evaluate(inPage);
  Object.assign(seen, await page.evaluate(compareWithExport, { module: builtPath("src/audio/measure.ts"), exported }));

  // The archive of the stems, and the other pages.
  const archive = page.waitForEvent("download");
  await page.getByRole("link", { name: "Stems as ZIP" }).click();
  seen.archive_name = (await archive).suggestedFilename();
  await page.getByRole("navigation").getByRole("link", { name: /Jobs/ }).click();
  await page.getByRole("list", { name: "Jobs" }).waitFor();
  seen.jobs = (await page.locator(".list .badge").allInnerTexts()).join(" ");
  await watch.check(page, "jobs");
  await page.goto(`${address}/studio/components`);
  await page.getByRole("heading", { name: "Components" }).waitFor();
  await watch.check(page, "components");
  await page.emulateMedia({ colorScheme: "dark" });
  await watch.check(page, "components, dark");
  await page.setViewportSize({ width: 360, height: 740 });
  seen.phone_width = await page.evaluate(() => document.documentElement.scrollWidth);
  console.log(JSON.stringify({ ...seen, complaints: watch.complaints, violations: watch.violations }));
} finally {
  await context.close();
}

/** Render the page's mix with the engine, and compare it with the exported file. */
async function compareWithExport({ module, exported }) {
  const engine = await import(module);
  const { decibels, peakOf, render } = globalThis.measuring;
  const trackId = location.pathname.split("/").at(-1);
  const { data } = await (await fetch(`/api/tracks/${trackId}/stems`)).json();
  const saved = JSON.parse(localStorage.getItem(`soundwright.mixer.${trackId}`));
  const [first] = data.stems;
  const rate = first.sample_rate_hz;
  const format = { sampleRateHz: rate, frameCount: first.frame_count, segmentFrames: first.segment_frame_count };
  const decode = (bytes) => new OfflineAudioContext(1, 1, rate).decodeAudioData(bytes);
  const lanes = data.stems.map((stem) => ({
    id: stem.id,
    channelCount: stem.channel_count,
    load: async (index) => decode(await (await fetch(`/api/stems/${stem.id}/segments/${index}`)).arrayBuffer()),
  }));
  // Everything is loaded before, because rendering is faster than the server.
  for (const lane of lanes) {
    const buffers = [];
    for (let index = 0; index < Math.ceil(format.frameCount / format.segmentFrames); index++) {
      buffers.push(await lane.load(index));
    }
    lane.load = async (index) => buffers[index];
  }
  const mix = Object.fromEntries(data.stems.map((stem) => [stem.id, saved.lanes[stem.stem_type]]));
  const heard = await render(engine, { format, lanes, mix, seconds: format.frameCount / rate + 1 });
  const file = await decode(Uint8Array.from(atob(exported), (letter) => letter.charCodeAt(0)).buffer);
  const origin = Math.ceil(0.03 * rate);
  let worst = 0;
  for (const [channel, samples] of [heard.left, heard.right].entries()) {
    const expected = file.getChannelData(channel);
    for (let frame = 0; frame < file.length; frame++) {
      worst = Math.max(worst, Math.abs(samples[origin + frame] - expected[frame]));
    }
  }
  return {
    export_difference_db: decibels(worst),
    export_peak_db: decibels(peakOf(file.getChannelData(0))),
    export_frames: file.length - format.frameCount,
  };
}
