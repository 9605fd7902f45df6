// The first minutes of a stranger: the first page, the demo song, and what happens after an upload.

import { expect, inkOf, song, test } from "./studio.mjs";

test("a stranger sees what this is, and plays the separated demo song in two clicks", async ({ page, position, button, link, accessible, fitsPhone }) => {
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
  await expect.poll(position).toBeGreaterThan(0.5);
  await expect(page.locator(".lane h3")).toHaveText([/^Chords and sections/, /^Chroma/, /^Drums/, /^Bass/, /^Other/, /^Vocals/], { useInnerText: true });
  for (const stem of ["drums", "bass", "other", "vocals"])
    await expect.poll(() => page.locator(`canvas[aria-label="Waveform of ${stem}"]`).evaluate(inkOf)).toBeGreaterThan(0.01);
  await expect(page.locator(".facts")).toHaveText(/Tempo\n1\d\d\.\d bpm\nKey\n\w+ (minor|major)/, { useInnerText: true });
  await button("Hear the original").click();
  await button("Pause").click();
  await accessible();
});

test("an upload is analysed by itself, has a waveform, and is separated with one button", async ({ page, position, user, button, link, accessible, fitsPhone }) => {
  await page.goto("/studio");
  await page.getByLabel("Files to upload").setInputFiles(song("Test tune", 8));
  const row = page.getByRole("list", { name: "Tracks" }).getByRole("listitem").filter({ hasText: "Test tune" });
  await expect(row).toContainText(/1(19|20|21) bpm · \w+ (minor|major)/);

  await row.getByRole("link", { name: "Test tune" }).click();
  await expect.poll(() => page.locator('canvas[aria-label="Waveform of mix"]').evaluate(inkOf)).toBeGreaterThan(0.01);
  await expect(button("Analyse again")).toBeVisible();
  await expect(page.locator(".lane h3")).toHaveText([/^Chords and sections/, /^Chroma/, /^Mix$/], { useInnerText: true });
  await expect(page.getByRole("region", { name: "Chord sheet" })).toBeVisible();
  await button("Show notes").click();
  await expect(page.locator('canvas[aria-label^="Notes of mix"]')).toBeVisible();
  await page.getByLabel("Play in").selectOption({ index: 0 });
  await page.locator(".section-bands span").first().dblclick();
  await button("Play").click();
  await expect.poll(position).toBeGreaterThan(0.5);
  await button("Pause").click();
  const downloads = page.getByRole("combobox", { name: "Download" }).locator("option");
  await expect(downloads.filter({ hasText: /stems|mix/ })).toHaveCount(0);
  await expect(downloads.filter({ hasText: /Chords|DJ/ })).toHaveText(["Chords", "Track for DJ software"]);
  await accessible();

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

  // What nobody has measured is a button away, and hides nothing.
  await user.run("/api/analysis/analyze", { track_id: page.url().split("/").at(-1), features: ["tempo", "key", "energy"] });
  await page.reload();
  await expect(page.getByText("The analysis has tempo, key, and energy. Not measured yet: chroma, chords, bars,")).toBeVisible();
  await button("Find chords and bars").click();
  await expect(page.getByRole("region", { name: "Chord sheet" })).toBeVisible();
  await expect(page.locator(".facts")).toHaveText(/Tempo\n1(19|20|21)\.\d bpm/, { useInnerText: true });
  await expect(button("Find chords and bars")).toHaveCount(0);
});
