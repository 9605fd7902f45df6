// Clips in Chromium: generation, the library, the player and playlists. Prints what it saw as JSON.
// Usage: node clips.mjs ADDRESS SESSION-COOKIE WORD [FOLDER FOR SCREENSHOTS]
// WORD occurs in no other prompt.

import { startChromium } from "./chromium.mjs";
import { Watch } from "./watched.mjs";

const [address, cookie, word, pictures = ""] = process.argv.slice(2);
const context = await startChromium({ viewport: { width: 1280, height: 800 }, bypassCSP: false });
const [name, value] = cookie.split("=");
await context.addCookies([{ name, value, url: address }]);
const watch = new Watch(pictures);
const seen = {};
try {
  const page = await watch.open(context);
  const button = (label) => page.getByRole("button", { name: label, exact: true });
  const link = (label) => page.getByRole("link", { name: label, exact: true });
  const player = page.getByRole("region", { name: "Player" });
  const position = async () => parseFloat(await page.getByRole("slider", { name: "Position" }).inputValue());
  const later = async (seconds) => page.waitForFunction(
    (least) => parseFloat(document.querySelector('.player input[aria-label="Position"]')?.value) > least,
    seconds,
  );
  const said = (text) => page.getByText(text, { exact: true }).waitFor();
  const prompt = `slow ${word} cello`;

  // A suggestion, and a refusal with the sentence of the server.
  await page.goto(`${address}/studio/generate/${"0".repeat(32)}`);
  seen.refusal = await page.getByRole("alert").innerText();
  await page.getByRole("navigation").getByRole("link", { name: "Generate" }).click();
  await button("Suggest a prompt").click();
  await page.waitForFunction(() => document.querySelector("textarea").value.length > 3);

  // Two clips are cancelled before they are made.
  await page.getByLabel("Prompt", { exact: true }).fill(`${word} to cancel`);
  await page.getByLabel("Length in seconds").fill("60");
  await page.getByLabel("Variations").fill("2");
  await button("Generate").click();
  await button("Cancel variation 2").click();
  await button("Cancel variation 1").click();
  await page.waitForFunction(() => document.querySelectorAll(".generation .badge").length === 2);
  await page.waitForFunction(() => !document.querySelector(".generation progress"));
  seen.cancelled = await page.locator(".generation .badge").allInnerTexts();
  await button(`Hide ${word} to cancel`).click();

  // Two others are made, and one plays.
  await page.getByLabel("Prompt", { exact: true }).fill(prompt);
  await page.getByLabel("Length in seconds").fill("4");
  await page.getByLabel("Seed").fill("7");
  await button("Generate").click();
  await page.locator(".clip-waveform canvas").nth(1).waitFor();
  seen.made_by = await page.locator(".clip-facts").first().innerText();
  const canvas = await page.locator(".clip-waveform canvas").first().elementHandle();
  seen.ink = await (await page.waitForFunction(inkOf, canvas)).jsonValue();
  await watch.check(page, "generate");
  await button(`Play ${prompt}`).first().click();
  await button("Repeat the clip").click();
  await later(0.2);
  seen.media = await page.evaluate(() => [
    navigator.mediaSession.metadata.title,
    navigator.mediaSession.playbackState,
  ]);

  // It goes on while pages change.
  await page.evaluate(() => {
    globalThis.stayed = true;
  });
  await page.getByRole("navigation").getByRole("link", { name: "Jobs" }).click();
  await page.getByRole("heading", { name: "Jobs" }).waitFor();
  await button("Pause the clip").waitFor();
  await page.getByRole("slider", { name: "Position" }).fill("0");
  await later(0.2);
  await link("Clips").click();
  await button("Pause the clip").waitFor();
  seen.stayed = await page.evaluate(() => globalThis.stayed === true);

  // The library finds the clips, and keeps a vote and a favorite.
  await page.getByLabel("Search").fill(word.slice(0, -2));
  await said("2 clips");
  seen.found = await page.locator(".clip-title").allInnerTexts();
  await button(`Vote for ${prompt}: 0`).first().click();
  await button(`Vote for ${prompt}: 1`).waitFor();
  await button(`Favorite ${prompt}`).first().click();
  await page.locator('[aria-label^="Favorite"][aria-pressed="true"]').waitFor();
  await page.reload();
  await said("2 clips");
  await page.locator('[aria-label^="Favorite"][aria-pressed="true"]').waitFor();
  seen.votes = await page.locator('[aria-label^="Vote for"]').evaluateAll((all) =>
    all.map((one) => [one.innerText.trim(), one.getAttribute("aria-pressed")].join(" ")),
  );
  await page.getByLabel("Minimum length").selectOption("10");
  await said("0 clips");
  await watch.check(page, "no clips");
  await page.getByLabel("Minimum length").selectOption("0");
  await page.getByLabel("Maximum length").selectOption("5");
  await said("2 clips");
  seen.lengths = await page.getByLabel("Minimum length").locator("option").allInnerTexts();
  await page.getByLabel("Show").selectOption("favorites");
  await said("1 clip");
  await page.getByLabel("Show").selectOption("mine");
  await said("2 clips");
  await watch.check(page, "clips");

  // Both go into a new playlist, the second one by dragging, and one becomes a track.
  await button(`More about ${prompt}`).first().click();
  await page.getByLabel("Name of the new playlist").fill("Rainy days");
  await button("Add to the playlist").click();
  await said("Added to Rainy days.");
  await page.getByLabel("Suggest a tag").selectOption("jazz");
  await page.getByText(/^Suggestion recorded. 1\/3/).waitFor();
  await watch.check(page, "clip");
  await button("Add to the tracks").click();
  const track = link("Open the track");
  await track.waitFor();
  const trackPath = await track.getAttribute("href");
  await button("Close").click();
  await page.locator("article.clip").nth(1).locator(".clip-facts").hover();
  await page.mouse.down();
  await page.mouse.move(600, 20, { steps: 4 });
  const tray = page.getByRole("list", { name: "Playlists to drop the clip on" });
  await tray.getByText("Rainy days").hover();
  await watch.check(page, "dragged");
  await tray.getByText("Rainy days").hover();
  await page.mouse.up();
  await said("Added to Rainy days.");
  await tray.waitFor({ state: "detached" });

  // Its order is changed by keyboard and by dragging, and survives a reload.
  await link("Playlists").click();
  await watch.check(page, "playlists");
  await link("Rainy days").click();
  const ids = () => page.locator(".entries > li").evaluateAll((all) => all.map((one) => one.dataset.id));
  await page.locator(".entries > li").nth(1).waitFor();
  const before = await ids();
  await button(`Move ${prompt} down`).first().focus();
  await stored(page, () => page.keyboard.press("Enter"));
  seen.focus = await page.evaluate(() => document.activeElement.getAttribute("aria-label"));
  await page.reload();
  await page.locator(".entries > li").nth(1).waitFor();
  seen.moved_by_keyboard = same(await ids(), [...before].reverse());
  const rows = page.locator(".entries > li");
  await stored(page, () => rows.nth(1).dragTo(rows.nth(0)));
  await page.reload();
  await page.locator(".entries > li").nth(1).waitFor();
  seen.moved_by_dragging = same(await ids(), before);
  await button("Play the playlist").click();
  await later(0.1);
  await button("Next clip").click();
  await page.waitForFunction(() => document.querySelectorAll('.entry [aria-pressed="true"]').length === 1);
  seen.next_at_the_end = await button("Next clip").isEnabled();
  await watch.check(page, "playlist");
  await button("Repeat the clip").click();
  await page.getByRole("button", { name: /^Queue/ }).click();
  await watch.check(page, "queue");
  await button("Close").click();

  // One thing sounds at a time: the track pauses the clip, and the reverse.
  await page.evaluate((path) => {
    const anchor = Object.assign(document.createElement("a"), { href: path });
    document.body.append(anchor);
    anchor.click();
    anchor.remove();
  }, trackPath);
  await page.getByLabel("Model").selectOption("dsp");
  await button("Separate into stems").click();
  await button("Play").waitFor();
  await page.keyboard.press("l");
  await button("Pause the clip").waitFor();
  await button("Play").click();
  await button("Play the clip").waitFor();
  await button("Pause").waitFor();
  await button("Play the clip").click();
  await button("Pause the clip").waitFor();
  await button("Play").waitFor();
  seen.exclusive = true;

  // The radio, and a deletion.
  await link("Playlists").click();
  await button("Play the station Shuffle").click();
  await later(0.1);
  await link("Clips").click();
  await page.getByLabel("Search").fill(word);
  await said("2 clips");
  await button(`More about ${prompt}`).first().click();
  await button("Delete the clip").click();
  await page.getByRole("dialog", { name: "Delete the clip" }).getByRole("button", { name: "Delete the clip" }).click();
  await page.waitForFunction(() => document.querySelectorAll("article.clip").length === 1);
  await said("1 clip");
  await page.setViewportSize({ width: 360, height: 740 });
  seen.phone_width = await page.evaluate(() => document.documentElement.scrollWidth);
  seen.position = await position();
  await player.getByRole("button", { name: "Close the player" }).click();
  await player.waitFor({ state: "detached" });
  console.log(JSON.stringify({ ...seen, complaints: watch.complaints, violations: watch.violations }));
} finally {
  await context.close();
}

/** Do something, and wait until the server has stored the order. */
async function stored(page, action) {
  const answer = page.waitForResponse((one) => one.url().endsWith("/reorder") && one.ok());
  await action();
  await answer;
}

function same(one, other) {
  return one.join() === other.join();
}

/** Return the share of pixels that a canvas has drawn. */
function inkOf(canvas) {
  if (canvas.width === 0) return 0;
  // Chromium complains about repeated readings of a canvas on the GPU.
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0);
  const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
  let drawn = 0;
  for (let at = 3; at < data.length; at += 4) drawn += data[at] > 0 ? 1 : 0;
  return (4 * drawn) / data.length;
}
