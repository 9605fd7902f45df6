// The track page and the jobs page in Chromium: two separations, the first beat, an export, and a job that is cancelled and retried.
// Usage: node track.mjs ADDRESS SESSION-COOKIE TRACK-ID [FOLDER FOR SCREENSHOTS]. The track has two separations and an analysis.

import { readFileSync } from "node:fs";
import { startChromium } from "./chromium.mjs";
import { Watch } from "./watched.mjs";

const [address, cookie, trackId, pictures = ""] = process.argv.slice(2);
const context = await startChromium({ viewport: { width: 1280, height: 800 }, acceptDownloads: true });
const [name, value] = cookie.split("=");
await context.addCookies([{ name, value, url: address }]);
const watch = new Watch(pictures);
const seen = {};
try {
  const page = await watch.open(context);
  page.setDefaultTimeout(120_000);
  const button = (name) => page.getByRole("button", { name, exact: true });
  const position = () => page.getByRole("slider", { name: "Position" }).inputValue().then(Number);
  const moved = (from) =>
    page.waitForFunction((least) => Number(document.querySelector(".position .fader").value) > least, from);

  await page.goto(`${address}/studio/tracks/${trackId}`);
  await page.getByLabel("Separation B").selectOption({ index: 1 });
  await button("Hear B in all lanes").waitFor();
  await button("Play").click();
  await moved(0.3);
  await button("Hear B in all lanes").click();
  const atSwitch = await position();
  await moved(atSwitch + 0.3);
  seen.plays_on = await button("Pause").isVisible();
  await button("Hear separation B of drums").click();
  const switches = page.locator(".lane-switches button:last-child");
  seen.sides = (await switches.allInnerTexts()).join("");
  await watch.check(page, "comparison");
  await button("Hear A in all lanes").click();
  seen.sides_after = (await switches.allInnerTexts()).join("");
  await button("Pause").click();

  // A slider that moves seeks where it rests.
  await page.getByRole("slider", { name: "Position" }).evaluate((slider) => {
    for (const seconds of [1, 3, 5, 8]) {
      slider.value = seconds;
      slider.dispatchEvent(new Event("input", { bubbles: true }));
    }
  });
  await button("Play").click();
  await page.waitForFunction(() => Number(document.querySelector(".position .fader").value) !== 8);
  seen.sought_seconds = await position();
  await button("Pause").click();

  // The bars begin where the user says, also after a reload.
  await button("To the beginning").click();
  await page.locator("body").press("ArrowRight");
  await button("Bar 1 here: begin the bars at the beat of the position").click();
  const firstBar = () => page.locator(".ruler .bar").first();
  seen.first_bar = await firstBar().innerText();
  const left = await firstBar().evaluate((bar) => bar.style.left);
  await page.reload();
  await firstBar().waitFor();
  seen.bar_stays = (await firstBar().evaluate((bar) => bar.style.left)) === left;
  seen.key = await page.locator(".ruler .key").innerText();
  seen.bar_seconds = await page.evaluate(() => {
    const [bar, area] = [document.querySelector(".ruler .bar"), document.querySelector(".ruler")];
    return (parseFloat(bar.style.left) / area.clientWidth) * Number(document.querySelector(".position .fader").max);
  });

  // Chroma and energy lie under the ruler, and lanes show their spectrograms.
  const opaque = (label) =>
    page.waitForFunction((name) => {
      const canvas = document.querySelector(`canvas[aria-label^="${name}"]`);
      if (!canvas) return false;
      const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
      copy.drawImage(canvas, 0, 0);
      const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
      return data.some((value, index) => index % 4 === 3 && value > 60);
    }, label);
  await opaque("Chroma and energy over time");
  seen.pitches = await page.locator(".pitches").evaluate((names) => {
    const { top, height } = document.querySelector(".series canvas").getBoundingClientRect();
    const middles = [...names.children].map((name) => {
      const box = name.getBoundingClientRect();
      return (box.top + box.height / 2 - top) / height;
    });
    return [names.innerText.split("\n"), middles];
  });
  await button("Show spectrograms").click();
  await opaque("Spectrogram of drums");
  await button("Zoom in").click();
  await opaque("Spectrogram of vocals");
  await watch.check(page, "spectrograms");
  seen.lanes = await page.locator(".lane canvas").evaluateAll((all) => all.map((one) => one.ariaLabel).join(", "));

  // The mix as FLAC.
  await page.getByLabel("Format").selectOption("flac");
  const downloading = page.waitForEvent("download");
  await button("Export the mix").click();
  const download = await downloading;
  seen.export = [download.suggestedFilename(), readFileSync(await download.path()).toString("latin1", 0, 4)];

  // A job is cancelled on its page, and starts again once.
  await page.getByLabel("Model").selectOption("dsp");
  await button("Separate again").click();
  await button("Cancel the job").first().waitFor();
  await page.getByRole("navigation").getByRole("link", { name: /Jobs/ }).click();
  await page.getByRole("list", { name: "Jobs" }).waitFor();
  const cancel = page.getByRole("button", { name: /^Cancel the separation/ });
  const rows = page.locator(".jobs > li");
  const before = await rows.count();
  if ((await cancel.count()) > 0) await cancel.first().click({ timeout: 2000 }).catch(() => {});
  await page.waitForFunction(() => !document.querySelector("progress, .jobs .progress-line"));
  seen.state = await rows.first().locator(".badge").innerText();
  await watch.check(page, "jobs");
  if (seen.state === "cancelled") {
    await page.getByRole("button", { name: /^Retry the separation/ }).first().dblclick();
    await page.waitForFunction((count) => document.querySelectorAll(".jobs > li").length === count + 1, before);
    await page.waitForFunction(() => document.querySelector(".jobs .badge").textContent === "completed");
  }
  seen.statuses = (await rows.locator(".badge").allInnerTexts()).join(" ");
  await page.getByLabel("Type").selectOption("analysis");
  await page.waitForFunction(() => document.querySelectorAll(".jobs > li").length === 1);
  seen.filtered = await rows.first().innerText();
  await page.getByLabel("Type").selectOption("");
  await page.emulateMedia({ colorScheme: "dark" });
  await page.setViewportSize({ width: 360, height: 740 });
  await watch.check(page, "jobs, dark, on a phone");
  seen.phone_width = await page.evaluate(() => document.documentElement.scrollWidth);
  console.log(JSON.stringify({ ...seen, complaints: watch.complaints, violations: watch.violations }));
} finally {
  await context.close();
}
