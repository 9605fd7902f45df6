// A first visit: a song is uploaded, separated, analysed, mixed and exported.

import { readFileSync } from "node:fs";
import { withEngine } from "./rendering.mjs";
import { expect, song, test } from "./studio.mjs";

test.use({ expected: ["422"] });

test("what is heard of a separated song equals its export", async ({ page, user, button, accessible }) => {
  // A file that is no audio is refused with the sentence of the server.
  await page.goto("/studio");
  await expect(button("Choose files")).toBeVisible();
  const notes = { name: "notes.txt", mimeType: "text/plain", buffer: Buffer.from("no audio") };
  await page.getByLabel("Files to upload").setInputFiles(notes);
  await expect(page.getByRole("alert")).toHaveText(/^This is not a supported audio file\./);
  await button("Dismiss notes.txt").click();
  await expect(page.getByRole("alert")).toHaveCount(0);

  await page.getByLabel("Files to upload").setInputFiles(song("Test tune", 12)); // three segments, the last one shorter
  await page.getByRole("link", { name: "Test tune" }).click();

  // Without stems, the page offers to make them.
  await expect(button("Separate into stems")).toBeVisible();
  await page.getByText("Advanced").click();
  await page.getByLabel("Model").selectOption("dsp");
  await button("Separate into stems").click();
  await expect(button("Play")).toBeVisible();
  await expect(button("Analyse again")).toBeVisible();
  await expect(page.locator("progress")).toHaveCount(0);
  await expect(page.locator(".lane h3")).toHaveText([/^Chords and sections/, /^Chroma/, /^Drums/, /^Bass/, /^Other/, /^Vocals/], { useInnerText: true });
  const facts = /Tempo\n1(19|20|21)\.\d bpm\nKey\n\w+ (minor|major)\nCamelot\n\d+[AB]\nLoudness\n-1\d/;
  await expect(page.locator(".facts")).toHaveText(facts, { useInnerText: true });

  // The clock advances and the meters move.
  await accessible();
  await button("Loop the visible part").click();
  await button("Play").click();
  await page.waitForFunction(() => {
    const levels = [...document.querySelectorAll(".transport .meter i")].map((bar) => bar.style.getPropertyValue("--level"));
    return parseFloat(document.querySelector(".position-time").textContent.slice(2)) > 0 && Math.max(...levels.map(parseFloat)) > 20;
  });
  await button("Mute drums").click();
  await button("Solo vocals").click();
  const slider = (name) => page.getByRole("slider", { name });
  await slider("Volume of vocals").press("ArrowLeft");
  await slider("Pan of vocals").fill("-0.5");
  await expect(slider("Volume of vocals")).toHaveAttribute("aria-valuetext", "-0.5 dB");
  await expect(slider("Pan of vocals")).toHaveAttribute("aria-valuetext", "50% left");
  await page.keyboard.press("Escape");
  await button("Hear the original").click();
  await expect(page.locator(".lane.silent")).toHaveCount(4);
  await button("Hear the original").click();
  await slider("Speed").fill("1.5");
  await button("Pause").click();
  await page.locator("body").press("?");
  await accessible();
  await button("Close").click();

  // The mixer survives a reload.
  await page.reload();
  await expect(button("Play")).toBeVisible();
  await expect(button("Solo vocals")).toHaveAttribute("aria-pressed", "true");
  await expect(slider("Speed")).toHaveValue("1.5");
  await expect(slider("Pan of vocals")).toHaveValue("-0.5");
  await slider("Speed").fill("1");
  await button("Solo vocals").click(); // the drums stay muted, the vocals lowered and to the left

  await page.getByLabel("Format").selectOption("wav32f");
  const exporting = page.waitForEvent("download");
  await button("Download WAV").click();
  const exported = await exporting;
  expect(exported.suggestedFilename()).toMatch(/^Test tune - mix.*\.wav$/);
  const file = readFileSync(await exported.path(), "base64");
  const compared = await withEngine(page, compareWithExport, file);
  expect(compared.difference).toBeLessThan(-80);
  expect(compared.peak).toBeGreaterThan(-30);
  expect(compared.peak).toBeLessThan(0);
  expect(compared.missingFrames).toBe(0);

  await page.getByRole("navigation").getByRole("link", { name: /Jobs/ }).click();
  await expect(page.locator(".list .badge")).toHaveText(["completed", "completed"]);

  // The page of the components is dark where the device is.
  await page.goto("/studio/components");
  await expect(page.getByRole("heading", { name: "Components" })).toBeVisible();
  await accessible();
  await page.emulateMedia({ colorScheme: "dark" });
  await accessible();
});

/** Runs in the page. Render the page's mix with the engine, and compare it with the exported file. */
async function compareWithExport({ difference, peak, rate, render }, exported) {
  const trackId = location.pathname.split("/").at(-1);
  const { stems } = (await (await fetch(`/api/tracks/${trackId}/stems`)).json()).data;
  const saved = JSON.parse(localStorage.getItem(`soundwright.mixer.${trackId}`));
  const [{ frame_count: frameCount, segment_frame_count: segmentFrames, segment_count: segmentCount }] = stems;
  const decode = (bytes) => new OfflineAudioContext(1, 1, rate).decodeAudioData(bytes);
  const segment = async (stem, index) => decode(await (await fetch(`/api/stems/${stem.id}/segments/${index}`)).arrayBuffer());
  // Everything is loaded before, because rendering is faster than the server.
  const load = async (stem) => {
    const buffers = await Promise.all(Array.from({ length: segmentCount }, (_, index) => segment(stem, index)));
    return { id: stem.id, channelCount: stem.channel_count, load: async (index) => buffers[index] };
  };
  const format = { sampleRateHz: rate, frameCount, segmentFrames };
  const mix = Object.fromEntries(stems.map((stem) => [stem.id, saved.lanes[stem.stem_type]]));
  const lanes = await Promise.all(stems.map(load));
  const heard = await render({ format, lanes, mix, seconds: frameCount / rate + 1 });
  const file = await decode(Uint8Array.from(atob(exported), (letter) => letter.charCodeAt(0)).buffer);
  const [left, right] = [0, 1].map((channel) => file.getChannelData(channel));
  return {
    difference: Math.max(
      difference(heard.left, file.length, (frame) => left[frame]),
      difference(heard.right, file.length, (frame) => right[frame]),
    ),
    peak: peak(left),
    missingFrames: frameCount - file.length,
  };
}
