// The track page and the jobs page.

import { readFileSync } from "node:fs";
import { expect, inkOf, test, User } from "./studio.mjs";

let path, cookies;

test.beforeAll(async ({ browser }) => {
  const context = await browser.newContext();
  const user = new User(context);
  await user.register();
  const track_id = await user.upload("Test tune", 12);
  for (let count = 0; count < 2; count++) await user.run("/api/processing/separate", { track_id, model: "dsp" });
  await user.run("/api/analysis/analyze", { track_id });
  path = `/studio/tracks/${track_id}`;
  cookies = await context.cookies();
  await context.close();
});

test.beforeEach(async ({ page, context, button }) => {
  await context.addCookies(cookies);
  await page.goto(path);
  await expect(button("Play")).toBeVisible();
});

test("without worklets, as on a page of HTTP, the original plays, and the page says why", async ({ page, position, button }) => {
  await page.addInitScript(() => delete globalThis.AudioWorkletNode);
  await page.reload();
  const pitch = page.getByRole("slider", { name: "Pitch" });
  await pitch.press("ArrowRight");
  await expect(page.getByText("browsers change them on pages of HTTPS only")).toBeVisible();
  await page.reload(); // the setting is kept
  await button("Play").click();
  await expect.poll(position).toBeGreaterThan(0.1);
  await button("Pause").click();
  await pitch.press("ArrowLeft");
});

test("separations are compared while they play", async ({ page, slider, position, button, accessible }) => {
  await page.getByLabel("Separation B").selectOption({ index: 1 });
  await expect(button("Hear B in all lanes")).toBeVisible();
  await button("Loop the visible part").click();
  await button("Play").click();
  await expect.poll(position).toBeGreaterThan(0.3);
  await button("Hear B in all lanes").click();
  const atSwitch = await position();
  await expect.poll(async () => Math.abs((await position()) - atSwitch)).toBeGreaterThan(0.3);
  await expect(button("Pause")).toBeVisible();
  await button("Hear separation B of drums").click();
  const sides = page.locator(".lane-switches button:last-child");
  await expect(sides).toHaveText(["A", "B", "B", "B"]);
  await accessible();
  await button("Hear A in all lanes").click();
  await expect(sides).toHaveText(["A", "A", "A", "A"]);
  await button("Pause").click();

  // A slider that moves seeks where it rests.
  await slider.evaluate((element) => {
    for (const seconds of [1, 3, 5, 8]) {
      element.value = seconds;
      element.dispatchEvent(new Event("input", { bubbles: true }));
    }
  });
  const played = slider.evaluate(async (element) => {
    while (element.valueAsNumber === 8) await new Promise(requestAnimationFrame);
    return element.valueAsNumber;
  });
  await button("Play").click();
  expect(await played).toBeGreaterThan(8);
  await button("Pause").click();
});

/** Download a part in a format, or in the only one. Return the name and the content of the file. */
async function downloaded(page, part, format, name) {
  await page.getByRole("combobox", { name: "Download" }).selectOption({ label: part });
  if (format) await page.getByLabel("Format").selectOption(format);
  const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name, exact: true }).click()]);
  return [file.suggestedFilename(), readFileSync(await file.path())];
}

test("the mix, one stem and all stems are downloaded in the format of the button", async ({ page }) => {
  const download = (...choice) => downloaded(page, ...choice);
  const key = await page.locator(".facts dd").nth(2).innerText();
  await page.getByRole("slider", { name: "Speed" }).fill("1.25");
  await page.getByRole("slider", { name: "Pitch" }).fill("12");
  const [mixName, mix] = await download("The mix as you hear it", "wav16", "Download WAV");
  expect(mixName).toBe(`Test tune - mix - 150 bpm - ${key}.wav`);
  expect(mix.toString("latin1", 0, 4)).toBe("RIFF");
  expect((mix.length - 80) / 4 / 44_100).toBeCloseTo(12 / 1.25, 2);
  const [stemName, stem] = await download("Only vocals", "m4a", "Download M4A");
  expect(stemName).toBe(`Test tune - vocals - 120 bpm - ${key}.m4a`);
  expect(stem.toString("latin1", 4, 11)).toBe("ftypM4A");
  const [archiveName, archive] = await download("All stems", "wav24", "Download WAV files");
  expect(archiveName).toBe("Test tune_stems_wav24.zip");
  const directory = archive.toString("latin1").matchAll(/PK\x01\x02.{20}(.{4}).{18}(Test tune - \w+ - [^.]+\.wav)/gs);
  const members = [...directory].map(([, size, name]) => [name, Buffer.from(size, "latin1").readUInt32LE()]);
  expect(members.map(([name]) => name)).toEqual(["drums", "bass", "other", "vocals"].map((name) => `Test tune - ${name} - 120 bpm - ${key}.wav`));
  expect(new Set(members.map(([, bytes]) => bytes)).size).toBe(1);
  const [stemFileName, stemFile] = await download("All stems", "stem_mp4", "Download stem file");
  expect(stemFileName).toBe("Test tune.stem.mp4");
  expect(stemFile.toString("latin1")).toContain('"name": "Drums"');
});

test("bars begin where the user says, and lanes show spectrograms under chroma and energy", async ({ page, slider, button, accessible }) => {
  await page.locator("body").press("ArrowRight");
  await button("Bar 1 here: begin the bars at the beat of the position").click();
  const bar = page.locator(".ruler .bar").first();
  const left = () => bar.evaluate((element) => parseFloat(element.style.left) / element.closest(".ruler").clientWidth);
  await expect(bar).toHaveText("1");
  const before = await left();
  await expect(async () => {
    await page.reload(); // at once: the correction is stored nevertheless
    await expect(bar).toHaveText("1");
    await expect.poll(left, { timeout: 5000 }).toBe(before);
  }).toPass();
  await expect(slider).toHaveValue("5");
  const seconds = Number(await slider.getAttribute("max"));
  expect(Math.abs(before * seconds - 5), "the distance of the first bar from 5 seconds").toBeLessThan(0.4);
  await expect(page.locator(".ruler .key")).toHaveText(/^\S+ (major|minor)/);

  const canvas = (label) => page.locator(`canvas[aria-label^="${label}"]`);
  const drawn = (label) => expect.poll(() => canvas(label).evaluate(inkOf, 60)).toBeGreaterThan(0);
  await drawn("Chroma and energy over time");
  const names = await page.locator(".pitches > *").allInnerTexts();
  expect(["CCDDEFFGGAAB", "CDDEEFGGAABB", "CCDEEFFGAABB"]).toContain(names.map(([letter]) => letter).join(""));
  const rows = await page.locator(".pitches > *").evaluateAll((all) => {
    const { top, height } = document.querySelector(".series canvas").getBoundingClientRect();
    return all.map((name) => name.getBoundingClientRect()).map((box) => (12 * (box.top + box.height / 2 - top)) / height);
  });
  // Each name is beside its row, C at the bottom.
  for (const [row, middle] of rows.entries()) expect(Math.abs(middle - (11.5 - row))).toBeLessThan(0.12);
  await button("Show spectrograms").click();
  await drawn("Spectrogram of drums");
  await button("Zoom in").click();
  await drawn("Spectrogram of vocals");
  await accessible();
  await canvas("Spectrogram of vocals").hover();
  const scrolled = await page.evaluate(() => scrollY);
  for (const pixels of [5000, 300]) await page.mouse.wheel(0, pixels); // zooms out, then scrolls the page
  await expect.poll(() => page.evaluate(() => scrollY)).toBe(scrolled + 300);
  expect(await page.locator(".lane canvas").evaluateAll((all) => all.map((one) => one.ariaLabel))).toEqual([
    "Chords over time",
    `Chroma and energy over time. Rows from the bottom: ${names.join(", ")}`,
    ...["drums", "bass", "other", "vocals"].map((stem) => `Spectrogram of ${stem}`),
  ]);
});

test("a cancelled job starts again once", async ({ page, button, accessible }) => {
  const rows = page.locator(".jobs > li");
  await page.getByText("Advanced").click();
  await page.getByLabel("Model").selectOption("dsp");
  await button("Separate again").click();
  await expect(button("Cancel the job")).toBeVisible();
  await page.getByRole("navigation").getByRole("link", { name: /Jobs/ }).click();
  await expect(rows).toHaveCount(6); // with the ones of the tests before
  // A separation that is too fast to be cancelled leaves nothing to retry.
  await page.getByRole("button", { name: /^Cancel the separation/ }).click({ timeout: 2000 }).catch(() => {});
  await expect(page.locator("progress, .jobs .progress-line")).toHaveCount(0);
  await accessible();
  if ((await rows.first().locator(".badge").innerText()) === "cancelled") {
    await page.getByRole("button", { name: /^Retry the separation/ }).dblclick();
    const states = ["completed", "cancelled", ...new Array(5).fill("completed")];
    await expect(rows.locator(".badge")).toHaveText(states);
  } else {
    await expect(rows.locator(".badge")).toHaveText(new Array(6).fill("completed"));
  }
  await page.getByLabel("Type").selectOption("analysis");
  await expect(rows).toHaveCount(1);
  await expect(rows).toContainText("Analysis");
  await page.getByLabel("Type").selectOption("");
  await page.emulateMedia({ colorScheme: "dark" });
  await accessible();
});

test("loops begin at once, snap to beats, have names, and Space plays whatever was clicked", async ({ page, slider, position, button, accessible }) => {
  const edge = (name) => page.getByRole("slider", { name: `${name} of the loop` });
  const at = async (name) => Number(await edge(name).getAttribute("aria-valuenow"));
  const ruler = page.locator(".ruler");
  await button("Play").click();
  await expect.poll(position).toBeGreaterThan(1);
  await page.keyboard.press("[");
  const start = await at("Start");
  expect(start).toBeGreaterThan(0.9);
  await expect.poll(position).toBeGreaterThan(start + 1.5);
  await ruler.dispatchEvent("keydown", { key: "]", code: "Digit6", altKey: true }); // of a German Mac
  const end = await at("End");
  expect(end - start).toBeGreaterThan(1);
  await expect.poll(position, { intervals: [50] }).toBeLessThan(end - 1);
  await button("Pause").click();

  const track_id = path.split("/").at(-1);
  const { data } = await (await page.request.get(`/api/analysis/${track_id}`)).json();
  const pixels = (await ruler.boundingBox()).width / Number(await slider.getAttribute("max"));
  const beat = data.beats.find((seconds) => seconds > end + 1);
  const box = await edge("End").boundingBox();
  const [x, y] = [box.x + box.width / 2, box.y + 8];
  await page.mouse.move(x, y);
  await page.mouse.down();
  await page.mouse.move(x + (beat - end) * pixels + 4, y, { steps: 5 });
  await page.mouse.up();
  expect(Math.abs((await at("End")) - beat)).toBeLessThan(0.001);
  await edge("End").press("ArrowRight");
  expect(await at("End")).toBeGreaterThan(beat + 0.3);

  await page.getByLabel("Name of the loop").fill("Chorus");
  await button("Save the loop").click();
  await expect(button("Loop Chorus")).toHaveAttribute("aria-pressed", "true");
  await accessible();
  await button("End the loop").click();
  await page.reload();
  await ruler.dblclick({ position: { x: (start + 0.5) * pixels, y: 4 } });
  await expect(button("Loop Chorus")).toHaveAttribute("aria-pressed", "true");
  await ruler.dblclick({ position: { x: 10 * pixels, y: 4 } });
  expect((await at("End")) - (await at("Start"))).toBeCloseTo(2, 1);

  // What is selected is in sight before the pointer is released.
  await button("End the loop").click();
  const area = await ruler.boundingBox();
  await page.mouse.move(area.x + 3 * pixels, area.y + 4);
  await page.mouse.down();
  await page.mouse.move(area.x + 5 * pixels, area.y + 4, { steps: 5 });
  expect((await at("End")) - (await at("Start"))).toBeCloseTo(2, 0);
  await page.mouse.up();
  expect((await at("End")) - (await at("Start"))).toBeCloseTo(2, 0);

  await button("Mute drums").click();
  await page.keyboard.press("Space");
  await expect(button("Pause")).toBeVisible();
  await expect(button("Mute drums")).toHaveAttribute("aria-pressed", "true");
  await page.keyboard.press("Space");
  await expect(button("Play")).toBeVisible();
  await page.getByLabel("Begin at %").click(); // numbers need no spaces
  await page.keyboard.press("Space");
  await expect(button("Pause")).toBeVisible();
  await page.keyboard.press("Space");
  await ruler.dispatchEvent("keydown", { key: '"', code: "Digit2", shiftKey: true }); // of a German keyboard
  await expect(button("Solo bass")).toHaveAttribute("aria-pressed", "true");
  await button("Forget the loop Chorus").click();
  await expect(button("Loop Chorus")).toHaveCount(0);
  const [section] = data.sections.segments;
  await page.locator(".section-bands span").first().dblclick();
  await expect.poll(() => at("End")).toBeCloseTo(section.end_seconds, 1);
  expect(await at("Start")).toBeCloseTo(section.start_seconds, 1);
});

test("chords are corrected and transposed, the sheet follows the position, and bars move", async ({ page, slider, button, accessible }) => {
  const track_id = path.split("/").at(-1);
  const { data } = await (await page.request.get(`/api/analysis/${track_id}`)).json();
  const [detected] = data.chords.segments; // a beat with noise is no chord
  const names = page.locator(".chord-blocks span");
  const current = page.locator(".current-chord b");
  const cells = page.locator(".chart-bar button");
  const bars = () => page.locator(".ruler .bar").evaluateAll((all) => all.map((bar) => parseFloat(bar.style.left)));
  const pixels = (await page.locator(".ruler").boundingBox()).width / Number(await slider.getAttribute("max"));
  await expect(names).toHaveText([detected.label]);
  await button("Bar 1 here: begin the bars at the beat of the position").click();
  await expect.poll(async () => Math.abs((await bars())[0] - data.beats[0] * pixels)).toBeLessThan(1);
  await cells.nth(2).click();
  await expect(slider).toHaveJSProperty("valueAsNumber", Number(data.beats[8].toFixed(1)));
  const loaded = [];
  page.on("request", (request) => /\/(stems|analysis\/.*)$/.test(request.url()) && loaded.push(request.url()));
  await button("Correct the chord at the position").click();
  await page.getByLabel(/^Chord from 0:0[34]\.\d to 0:12\.0$/).fill("F#m7");
  await button("Save").click();
  await expect(names).toHaveText([detected.label, "F#m7"]);
  await expect(current).toHaveText("F#m7");
  await expect(page.locator(".chart-bar [aria-current]")).toHaveText("F#m7");
  await cells.first().click();
  await expect(current).toHaveText(detected.label);
  await expect(page.locator(".current-chord")).toContainText("then F#m7");
  expect(loaded, "a correction loads neither stems nor analysis again").toEqual([]);

  await page.getByRole("slider", { name: "Pitch" }).fill("3");
  await expect(names.last()).toHaveText("Am7");
  await page.getByLabel("Capo").selectOption("5");
  await expect(names.last()).toHaveText("Em7");
  await expect(page.getByRole("region", { name: "Chord sheet" })).toContainText(/In (\S+) (major|minor), with shapes of (\S+) \2/);
  await page.getByRole("slider", { name: "Pitch" }).fill("0");
  await page.getByLabel("Capo").selectOption("0");

  await button("+1 beat: move the bars one beat on").click();
  await expect.poll(async () => Math.abs((await bars())[0] - data.beats[1] * pixels)).toBeLessThan(1);
  await expect(button("Bars as detected")).toBeEnabled();
  await page.reload();
  await expect(names).toHaveText([detected.label, "F#m7"]);
  const [midiName, midi] = await downloaded(page, "Notes", "", "Download MIDI");
  expect(midiName).toBe("Test tune.mid");
  expect(midi.toString("latin1")).toContain("F#m7");
  for (const [part, format, name, content] of [
    ["Chords", "lab", "Download LAB", "F#:min7"],
    ["Chords", "cho", "Download ChordPro", "F#m7"],
    ["Click track", "wav", "Download WAV", "RIFF"],
    ["Project with stems", "reaper", "Download Reaper", "Test tune.rpp"],
    ["Track for DJ software", "rekordbox", "Download rekordbox", "rekordbox.xml"],
  ]) {
    const [, file] = await downloaded(page, part, format, name);
    expect(file.toString("latin1")).toContain(content);
  }
  await accessible();
  await button("Bars as detected").click();
  const first = data.bars?.downbeats[0] ?? data.beats[0];
  await expect.poll(async () => Math.abs((await bars())[0] - first * pixels)).toBeLessThan(1);
  await cells.nth(2).click();
  await button("Correct the chord at the position").click();
  await button("As detected").click();
  await expect(names).toHaveText([detected.label]);
  const stored = async () => (await (await page.request.get(`/api/tracks/${track_id}`)).json()).data.corrections;
  await expect.poll(stored).toBe(null);
});

test("lyrics are pasted, timed and corrected, and follow the position", async ({ page, slider, button, accessible, fitsPhone }) => {
  const lines = page.locator(".lyric");
  const current = page.locator(".lyric[aria-current]");
  const text = page.getByLabel("LRC, or text without times");
  const hostile = `<img src=x onerror="document.title='taken'">`;
  await button("Add lyrics").click();
  await text.fill(`[ti:Test]\n[00:01.00]<00:01.00>Hello <00:02.00>word<00:03.00>\n[00:04.00]${hostile}\nNot timed`);
  await button("Save").click();
  await expect(lines).toHaveText(["Hello word", hostile, "Not timed"]);
  await lines.nth(1).click();
  await expect(slider).toHaveJSProperty("valueAsNumber", 4);
  await expect(current).toHaveText(hostile);
  await lines.first().click();
  await expect(page.locator(".lyric[aria-current] .sung")).toHaveText(["Hello "]);
  await slider.fill("2.5");
  await expect(page.locator(".lyric[aria-current] .sung")).toHaveText(["Hello ", "word"]);

  await button("Correct the line at the position").click();
  await page.getByLabel("Line at 0:01.0").fill("Hello world");
  await button("Save").click();
  await expect(lines.first()).toHaveText("Hello world");
  await expect(lines.first().locator("span")).toHaveCount(2);

  await button("Time the lines: mark where each begins").click();
  await slider.fill("8");
  await button("The next line begins here").click();
  await expect(page.getByText("All lines have times.")).toBeVisible();
  await accessible();
  await button("Save the times").click();
  await expect(button("The next line begins here")).toHaveCount(0);
  await page.reload();
  await expect(lines).toHaveText(["Hello world", hostile, "Not timed"]);
  const [lrcName, lrc] = await downloaded(page, "Lyrics", "", "Download LRC");
  expect(lrcName).toBe("Test tune.lrc");
  expect(lrc.toString()).toBe(
    `[ti:Test tune]\n[length:00:12]\n[00:01.00]<00:01.00>Hello<00:02.00> world<00:03.00>\n[00:04.00]${hostile}\n[00:08.01]Not timed\n`,
  );
  await expect(page).toHaveTitle(/^Test tune/);
  await fitsPhone();
  await button("Remove: the lyrics").click();
  await expect(lines).toHaveCount(0);
});

test("practice: another key, mixes by name, and a loop that gets faster", async ({ page, button, accessible }) => {
  const speed = page.getByRole("slider", { name: "Speed" });
  const mix = page.getByLabel("Mix", { exact: true });
  const muted = page.locator('.lane-switches button[aria-label^="Mute"][aria-pressed="true"]');
  await mix.selectOption("only drums and bass");
  await expect(muted).toHaveText(["M", "M"]);
  await button("Mute drums").click();
  await expect(mix).toHaveValue("");
  await page.getByLabel("Name of the mix").fill("My part");
  await button("Save the mix").click();
  await mix.selectOption("all stems");
  await expect(muted).toHaveCount(0);
  await page.reload();
  await mix.selectOption("My part");
  await expect(button("Mute bass")).toHaveAttribute("aria-pressed", "false");
  await expect(muted).toHaveCount(3);
  await button("Forget the mix My part").click();
  await expect(mix).toHaveValue("");
  await mix.selectOption("without vocals");

  const key = page.getByLabel("Play in");
  const names = await key.locator("option").allInnerTexts();
  const original = names.findIndex((name) => name.endsWith("(original)"));
  await key.selectOption({ index: (original + 3) % 12 });
  await expect(page.getByRole("slider", { name: "Pitch" })).toHaveValue("3");
  await expect(page.locator(".ruler .key")).toHaveText(names[(original + 3) % 12]);
  await key.selectOption({ index: original });

  await expect(button("Start the tempo trainer")).toBeDisabled();
  await page.locator(".ruler").dblclick({ position: { x: 300, y: 4 } });
  await page.getByLabel("Begin at %").fill("150");
  await page.getByLabel("Faster by %").fill("30");
  await page.getByLabel("Up to %").fill("190");
  await button("Start the tempo trainer").click();
  await expect(speed).toHaveValue("1.5");
  await accessible();
  await button("Play").click();
  await expect(speed).toHaveValue("1.9");
  await button("End the loop").click();
  await expect(button("Start the tempo trainer")).toBeDisabled();
});

test.describe("a song of thousands of bars", () => {
  // A service worker would fetch the analysis itself.
  test.use({ serviceWorkers: "block", expected: ["Service Worker registration blocked"] });
  test("has a chord sheet with elements for bars in sight, which follows the position", async ({ page, slider }) => {
    await page.route(/\/api\/analysis\/[^/]+$/, async (route) => {
      const response = await route.fetch();
      const answer = await response.json();
      answer.data.beats = Array.from({ length: 8000 }, (_, beat) => beat * 0.0015);
      answer.data.bars = null;
      answer.data.sections = null;
      await route.fulfill({ response, json: answer });
    });
    await page.reload();
    const bars = page.locator(".chart-bar");
    await expect(bars.first()).toContainText("1");
    expect(await bars.count()).toBeLessThan(400);
    await slider.fill("6");
    const current = page.locator(".chart-bar [aria-current]");
    await expect(bars.filter({ has: page.locator("[aria-current]") })).toContainText("1002");
    await current.evaluate((chord) => chord.scrollIntoView());
    await expect(bars.filter({ hasText: /^1120/ })).toBeVisible();
    expect(await bars.count()).toBeLessThan(400);
  });
});

test("notes are piano rolls, and the melody is a line over the voice", async ({ page, button, accessible }) => {
  const track_id = path.split("/").at(-1);
  const { data } = await (await page.request.get(`/api/analysis/${track_id}`)).json();
  expect(data.notes.parts.map(({ name }) => name)).toEqual(["bass", "other", "vocals"]);
  const drawn = (label) => expect.poll(() => page.locator(`canvas[aria-label^="${label}"]`).evaluate(inkOf, 60)).toBeGreaterThan(0);
  await drawn("The line is the melody.");
  await button("Show notes").click();
  for (const { name } of data.notes.parts.filter(({ notes }) => notes.length > 0)) await drawn(`Notes of ${name}, from `);
  await accessible();
});

test("a new separation shows its progress, and plays as soon as it is there", async ({ page, button }) => {
  const plan = page.getByText(/^The model \S+ will run\./);
  await expect(plan).toBeVisible();
  const plans = [];
  page.on("request", (request) => request.url().endsWith("/processing/plan") && plans.push(request));
  await page.reload();
  await expect(plan).toBeVisible();
  expect(plans, "one request plans all qualities").toHaveLength(1);
  const own = page.getByLabel("Separation A");
  const before = await own.inputValue();
  await button("Loop the visible part").click();
  await button("Play").click();
  await page.getByText("Advanced").click();
  await page.getByLabel("Model").selectOption("dsp");
  await button("Separate again").click();
  await expect(page.getByRole("region", { name: "Separate", exact: true }).locator(".progress-line")).toBeVisible();
  await expect.poll(() => own.inputValue()).not.toBe(before);
  await expect(own.locator("option").first()).toHaveJSProperty("selected", true);
  await expect(button("Pause")).toBeVisible();
  await expect(page.getByText("The mixer has the new separation.")).toBeVisible();
});
