// Files and folders that are dropped on pages, as the browser itself drops them.

import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { located } from "./chromium.mjs";
import { expect, test } from "./studio.mjs";

// A browser of its own: in one that other specs have used, Chromium sometimes opens a dropped file in a new tab.
test.use({ launchOptions: await located(), expected: ["422", "429", "503"] });

/** Write an album with a folder in it, and what else such folders have. Return its path. */
function album(folder) {
  const inner = join(folder, "Album", "Disc 2");
  mkdirSync(inner, { recursive: true });
  recording(join(folder, "Album", "First tune.wav"));
  recording(join(inner, "Second tune.wav"));
  for (const name of ["Cover.jpg", "Notes.txt", ".hidden"]) writeFileSync(join(inner, name), "no audio");
  return join(folder, "Album");
}

function recording(path) {
  copyFileSync(`${process.env.STUDIO_SONGS}/0.5.wav`, path);
  return path;
}

/** Drag files over the middle of a page, and drop them. */
async function drop(page, files) {
  const browser = await page.context().newCDPSession(page);
  const { width, height } = page.viewportSize();
  const data = { items: [], files, dragOperationsMask: 1 };
  for (const type of ["dragEnter", "dragOver", "drop"])
    await browser.send("Input.dispatchDragEvent", { type, x: width / 2, y: height / 2, data });
  await browser.detach();
}

test("a folder and a file become tracks, on the start page and on another one", async ({ page, context, user, button, accessible }, info) => {
  await page.goto("/studio");
  await expect(button("Choose files")).toBeVisible();
  await drop(page, [album(info.outputPath()), recording(info.outputPath("Third tune.wav"))]);
  const tracks = page.getByRole("list", { name: "Tracks" }).getByRole("link", { name: /tune$/ });
  await expect(tracks).toHaveCount(3);
  expect((await tracks.allInnerTexts()).sort()).toEqual(["First tune", "Second tune", "Third tune"]);
  await expect(page.getByRole("alert")).toHaveCount(0);

  await page.goto("/studio/jobs");
  await expect(page.getByRole("heading", { name: "Jobs" })).toBeVisible();
  // An upload waits while the rate limit is used up.
  const headers = { "retry-after": "1", "x-ratelimit-remaining": "0" };
  await page.route("**/api/tracks", (route) => route.fulfill({ status: 429, headers, json: {} }), { times: 1 });
  await drop(page, [recording(info.outputPath("Fourth tune.wav"))]);
  await page.getByRole("link", { name: "Fourth tune" }).first().click();
  await expect(page.getByRole("heading", { name: "Fourth tune" })).toBeVisible();
  await accessible();

  // It begins again when a server that restarts is back.
  const stopping = { status: 503, json: { code: "STOPPING", message: "The server is restarting. Try again in a minute." } };
  await page.route("**/api/tracks", (route) => route.fulfill(stopping), { times: 1 });
  await drop(page, [recording(info.outputPath("Fifth tune.wav"))]);
  await expect(page.getByText("The server is not reachable.")).toBeVisible();
  await page.getByRole("link", { name: "Fifth tune" }).first().click();
  await expect(page.getByRole("heading", { name: "Fifth tune" })).toBeVisible();

  // A file that is no audio leaves every page where it is.
  const notes = info.outputPath("Notes.txt");
  writeFileSync(notes, "no audio");
  for (const path of ["/studio", "/studio/clips", "/users/settings"]) {
    await page.goto(path);
    const address = page.url();
    await expect(page.getByRole("heading").first()).toBeVisible();
    await page.evaluate(() => (globalThis.isHere = true));
    await drop(page, [notes]);
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve))));
    expect(await page.evaluate(() => globalThis.isHere), path).toBe(true);
    expect(page.url()).toBe(address);
    // Chromium opens a file that no page takes in a new tab.
    expect(context.pages().map((each) => each.url()), path).toEqual([address]);
  }
});
