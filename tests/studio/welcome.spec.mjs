// The first minutes of a stranger: the first page, the demo song, and what happens after an upload.

import { expect, inkOf, song, test } from "./studio.mjs";

test("a stranger sees what this is, and plays the separated demo song in two clicks", async ({ page, button, link, accessible, fitsPhone }) => {
  await page.goto("/");
  await expect(page.getByRole("heading", { level: 1 })).toHaveText(/^Soundwright separates a song/);
  const picture = page.locator("figure canvas");
  await expect(picture).toHaveCount(5);
  for (const canvas of await picture.all()) await expect.poll(() => canvas.evaluate(inkOf)).toBeGreaterThan(0.01);
  await expect(page.getByRole("list", { name: "Tracks" })).toHaveCount(0);
  await accessible();
  await fitsPhone();
  await link("Open the demo song").click();
  await button("Play").click();
  const slider = page.getByRole("slider", { name: "Position" });
  await expect.poll(async () => Number(await slider.inputValue())).toBeGreaterThan(0.5);
  await expect(page.locator(".lane h3")).toHaveText([/^Chords and sections/, /^Chroma/, /^Drums/, /^Bass/, /^Other/, /^Vocals/], { useInnerText: true });
  for (const stem of ["drums", "bass", "other", "vocals"])
    await expect.poll(() => page.locator(`canvas[aria-label="Waveform of ${stem}"]`).evaluate(inkOf)).toBeGreaterThan(0.01);
  await expect(page.locator(".facts")).toHaveText(/Tempo\n1\d\d\.\d bpm\nKey\n\w+ (minor|major)/, { useInnerText: true });
  await button("Hear the original").click();
  await button("Pause").click();
  await accessible();
  await fitsPhone();
});

test("an upload is analysed by itself, has a waveform, and is separated with one button", async ({ page, user, button, link, accessible, fitsPhone }) => {
  await page.goto("/studio");
  await page.getByLabel("Files to upload").setInputFiles(song("Test tune", 8));
  const row = page.getByRole("list", { name: "Tracks" }).getByRole("listitem").filter({ hasText: "Test tune" });
  await expect(row).toContainText(/1(19|20|21) bpm · \w+ (minor|major)/);

  await row.getByRole("link", { name: "Test tune" }).click();
  await expect.poll(() => page.locator('canvas[aria-label="Waveform of Test tune"]').evaluate(inkOf)).toBeGreaterThan(0.01);
  await expect(button("Analyse again")).toBeVisible();
  await accessible();
  await page.locator(".whole-wave").click({ position: { x: 100, y: 20 } });
  await expect.poll(() => page.locator("audio").evaluate((audio) => audio.currentTime)).toBeGreaterThan(0.1);

  await page.goBack();
  await button("Separate Test tune").click();
  await expect(row.locator(".progress-line")).toContainText("Separation");
  await expect(row).toContainText("4 stems");
  await fitsPhone();
  await accessible();
  await page.goto("/studio/tracks");
  await link("Mix Test tune").click();
  await expect(button("Play")).toBeVisible();

  // Whoever does not want the analysis says so once.
  await page.goto("/studio/account");
  await page.getByLabel(/^Analyse new tracks/).uncheck();
  await page.goto("/studio");
  await page.getByLabel("Files to upload").setInputFiles(song("Left alone", 2));
  await link("Left alone").click();
  await expect(button("Analyse")).toBeEnabled();
  const { data } = await (await user.requests.get("/api/jobs?type=analysis")).json();
  expect(data.map((job) => job.title)).toEqual(["Test tune"]);
});
