// Clips: generation, the library, the player and playlists.

import { randomUUID } from "node:crypto";
import { expect, inkOf, test } from "./studio.mjs";

const WORD = `quizzical${randomUUID().replaceAll("-", "")}`; // occurs in no other prompt
const PROMPT = `slow ${WORD} cello`;

test.use({ expected: ["404"] });

test("clips are made, heard, found and ordered", async ({ page, slider, user, button, link, accessible, fitsPhone }) => {
  const played = (seconds) => expect.poll(async () => parseFloat(await slider.inputValue())).toBeGreaterThan(seconds);
  const said = (text) => expect(page.getByText(text, { exact: true })).toBeVisible();
  const pageLink = (name) => page.getByRole("navigation").getByRole("link", { name });

  // Jobs are cancelled whether they wait or run.
  await page.goto(`/studio/generate/${"0".repeat(32)}`);
  await expect(page.getByRole("alert")).toHaveText("The clip that you want to continue does not exist. Start a new one.");
  await page.getByRole("navigation").getByRole("link", { name: "Generate" }).click();
  await button("Suggest a prompt").click();
  await expect(page.getByLabel("Prompt", { exact: true })).toHaveValue(/.{4,}/);
  await page.getByLabel("Prompt", { exact: true }).fill("to cancel");
  await page.getByLabel("Length in seconds").fill("60");
  await page.getByLabel("Variations").fill("2");
  await button("Generate").click();
  await button("Cancel variation 2").click();
  await button("Cancel variation 1").click();
  await expect(page.locator(".generation .badge")).toHaveText(["cancelled", "cancelled"]);
  await expect(page.locator(".generation progress")).toHaveCount(0);
  await button("Hide to cancel").click();
  await expect(page.locator(".generation .badge")).toHaveCount(0);

  // Two clips are made, and one plays.
  await page.getByLabel("Prompt", { exact: true }).fill(PROMPT);
  await page.getByLabel("Length in seconds").fill("4");
  await page.getByLabel("Seed").fill("7");
  await page.getByLabel("Variations").fill("2");
  await button("Generate").click();
  await expect(page.locator(".clip-facts").first()).toHaveText("0:04 · composer in place of music");
  await expect(page.locator(".clip-understood").first()).toContainText(` BPM, `);
  await expect(page.locator(".clip-understood").first()).toContainText(` · not understood: ${WORD}`);
  const waveforms = page.locator(".clip-waveform canvas");
  await expect(waveforms).toHaveCount(2);
  await expect.poll(() => waveforms.first().evaluate(inkOf)).toBeGreaterThan(0.05);
  expect(await waveforms.first().evaluate(inkOf)).toBeLessThan(0.95);
  await accessible();
  await button(`Play ${PROMPT}`).first().click();
  await button("Repeat the clip").click();
  await played(0.2);
  const media = await page.evaluate(() => [navigator.mediaSession.metadata.title, navigator.mediaSession.playbackState]);
  expect(media).toEqual([PROMPT, "playing"]);

  // It goes on while pages change.
  await page.evaluate(() => (globalThis.stayed = true));
  await pageLink("Jobs").click();
  await expect(page.getByRole("heading", { name: "Jobs" })).toBeVisible();
  await expect(button("Pause the clip")).toBeVisible();
  await slider.fill("0");
  await played(0.2);
  await link("Clips").click();
  await expect(button("Pause the clip")).toBeVisible();
  expect(await page.evaluate(() => globalThis.stayed)).toBe(true);

  // The library finds the clips, and keeps a vote and a favorite.
  // The answer to the search would undo a vote of before, and the list may have had two clips before.
  const word = WORD.slice(0, -2);
  const searched = page.waitForResponse((one) => one.url().includes(word)).then(() => page.waitForResponse(/\/favorites\/check$/));
  await page.getByLabel("Search").fill(word);
  await searched;
  await said("2 clips");
  await expect(page.locator(".clip-title")).toHaveText([PROMPT, PROMPT]);
  await button(`Vote for ${PROMPT}: 0`).first().click();
  await expect(button(`Vote for ${PROMPT}: 1`)).toBeVisible();
  await button(`Favorite ${PROMPT}`).first().click();
  const favorite = page.locator('[aria-label^="Favorite"][aria-pressed="true"]');
  await expect(favorite).toBeVisible();
  await page.reload();
  await said("2 clips");
  await expect(favorite).toHaveCount(1);
  await expect(page.locator('[aria-label^="Vote for"][aria-pressed="true"]')).toHaveText("1");
  await expect(page.locator('[aria-label^="Vote for"][aria-pressed="false"]')).toHaveText("0");
  await page.getByLabel("Minimum length").selectOption("10");
  await said("0 clips");
  await page.getByLabel("Minimum length").selectOption("0");
  await page.getByLabel("Maximum length").selectOption("5");
  await said("2 clips");
  await expect(page.getByLabel("Minimum length").locator("option")).toHaveText(["No minimum", "5 seconds"]); // the maximum
  await page.getByLabel("Show").selectOption("favorites");
  await said("1 clip");
  await page.getByLabel("Show").selectOption("mine");
  await said("2 clips");
  await accessible();

  // Both go into a new playlist, the second one by dragging, and one becomes a track.
  await button(`More about ${PROMPT}`).first().click();
  await expect(page.getByRole("dialog").getByText(/^Key/).locator("xpath=..")).toContainText("(chosen by the seed)");
  await page.getByLabel("Name of the new playlist").fill("Rainy days");
  await button("Add to the playlist").click();
  await said("Added to Rainy days.");
  await page.getByLabel("Suggest a tag").selectOption("jazz");
  await expect(page.getByText(/^Suggestion recorded. 1\/3/)).toBeVisible();
  await accessible();
  await button("Add to the tracks").click();
  const trackPath = await link("Open the track").getAttribute("href");
  await button("Close").click();
  await page.locator("article.clip").nth(1).locator(".clip-facts").hover();
  await page.mouse.down();
  await page.mouse.move(600, 20, { steps: 4 });
  const tray = page.getByRole("list", { name: "Playlists to drop the clip on" });
  await tray.getByText("Rainy days").hover();
  await accessible();
  await tray.getByText("Rainy days").hover();
  await page.mouse.up();
  await said("Added to Rainy days.");
  await expect(tray).toHaveCount(0);

  // Its order is changed by keyboard and by dragging, and survives a reload.
  await link("Playlists").click();
  await accessible();
  await link("Rainy days").click();
  const rows = page.locator(".entries > li");
  const ids = async () => {
    await expect(rows).toHaveCount(2);
    return rows.evaluateAll((all) => all.map((one) => one.dataset.id));
  };
  const stored = (action) =>
    Promise.all([page.waitForResponse((one) => one.url().endsWith("/reorder") && one.ok()), action()]).then(() => {});
  const before = await ids();
  await button(`Move ${PROMPT} down`).first().focus();
  await stored(() => page.keyboard.press("Enter"));
  await expect(button(`Move ${PROMPT} up`).last()).toBeFocused(); // at the end of the list, the other button has the focus
  await page.reload();
  expect(await ids()).toEqual(before.toReversed());
  await stored(() => rows.nth(1).dragTo(rows.nth(0)));
  await page.reload();
  expect(await ids()).toEqual(before);
  await button("Play the playlist").click();
  await button("Repeat the clip").click(); // otherwise it ends while a busy machine looks
  await played(0.1);
  await button("Next clip").click();
  await expect(page.locator('.entry [aria-pressed="true"]')).toHaveCount(1);
  await expect(button("Next clip")).toBeDisabled();
  await accessible();
  await page.getByRole("button", { name: /^Queue/ }).click();
  await accessible();
  await button("Close").click();

  // One thing sounds at a time: the track pauses the clip, and the reverse.
  await page.evaluate((href) => {
    const anchor = Object.assign(document.createElement("a"), { href });
    document.body.append(anchor);
    anchor.click();
    anchor.remove();
  }, trackPath);
  await page.getByText("Advanced").click();
  await page.getByLabel("Model").selectOption("dsp");
  await button("Separate into stems").click();
  await expect(button("Play")).toBeVisible();
  await page.keyboard.press("l");
  await expect(button("Pause the clip")).toBeVisible();
  await button("Play").click();
  await expect(button("Play the clip")).toBeVisible();
  await expect(button("Pause")).toBeVisible();
  await button("Play the clip").click();
  await expect(button("Pause the clip")).toBeVisible();
  await expect(button("Play")).toBeVisible();

  // The radio, and a deletion.
  await link("Playlists").click();
  await button("Play the station Shuffle").click();
  await played(0.1);
  await link("Clips").click();
  await page.getByLabel("Search").fill(WORD);
  await said("2 clips");
  await button(`More about ${PROMPT}`).first().click();
  await expect(page.getByRole("region", { name: "Tags" }).getByRole("listitem").first()).toBeVisible();
  await button("Delete the clip").click();
  await page.getByRole("dialog", { name: "Delete the clip" }).getByRole("button", { name: "Delete the clip" }).click();
  await expect(page.locator("article.clip")).toHaveCount(1);
  await said("1 clip");
  await fitsPhone();
  const player = page.getByRole("region", { name: "Player" });
  await player.getByRole("button", { name: "Close the player" }).click();
  await expect(player).toHaveCount(0);
});
