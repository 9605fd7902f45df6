// A link to a track: somebody without an account plays the stems, until the link is revoked.

import { expect, songWithCover, test } from "./studio.mjs";

test.use({ expected: ["status of 404", "ERR_INTERNET_DISCONNECTED"] });

test("a stranger plays a shared track, and the owner revokes the link", async ({ page, browser, user, button, confirm, accessible }) => {
  const id = await user.upload("Test tune", 2, songWithCover("Test tune"));
  const coverOf = (place) => place.locator("img.cover").evaluate((image) => image.decode().then(() => image.naturalWidth));
  await page.goto("/studio");
  expect(await coverOf(page)).toBe(16);
  await page.getByRole("link", { name: "Test tune" }).click();
  await expect(button("Create a link")).toBeVisible();
  expect(await coverOf(page)).toBe(16);
  await button("Create a link").click();
  const address = await page.getByRole("group", { name: "New link" }).innerText();
  expect(address).toMatch(/\/studio\/shared\/[\w-]{43}$/);

  const context = await browser.newContext();
  const stranger = await context.newPage();
  const foreign = [];
  stranger.on("request", (request) => {
    if (request.method() !== "GET" || /\/api\/(?!shared\/)/.test(request.url())) foreign.push(request.url());
  });
  await stranger.goto(address);
  await expect(stranger.getByRole("heading", { name: "Test tune" })).toBeVisible();
  await expect(stranger.getByRole("img", { name: "Waveform of Test tune" })).toBeVisible();
  const audio = stranger.locator("audio");
  await expect.poll(() => audio.evaluate(({ duration }) => duration)).toBeGreaterThan(1.5);
  await audio.evaluate((element) => element.play());
  expect(await coverOf(stranger)).toBe(16);
  const onLockScreen = () => stranger.evaluate(() => [navigator.mediaSession.metadata.title, navigator.mediaSession.metadata.artwork[0].src]);
  expect(await onLockScreen()).toEqual(["Test tune", expect.stringMatching(/\/api\/shared\/.*\/cover\?version=\w+$/)]);

  await user.run("/api/processing/separate", { track_id: id, model: "dsp" });
  await stranger.reload();
  const time = stranger.locator(".position-time");
  const begin = await time.innerText();
  await stranger.getByRole("button", { name: "Play", exact: true }).click();
  await expect(time).not.toHaveText(begin);
  // It plays on when the connection is back.
  await stranger.getByRole("button", { name: "Loop the visible part" }).click();
  await context.setOffline(true);
  await expect(stranger.getByText("The server is not reachable. What plays continues.")).toBeVisible();
  const reloaded = stranger.waitForResponse(/\/health$/);
  await context.setOffline(false);
  await reloaded;
  await expect(stranger.getByText("The server is not reachable.")).toHaveCount(0);
  const away = await time.innerText();
  await expect(time).not.toHaveText(away);
  await expect(stranger.getByRole("button", { name: "Pause", exact: true })).toBeVisible();
  await stranger.getByRole("button", { name: "Mute drums" }).click();
  await expect(stranger.getByRole("button", { name: /Separate|Analyse|Delete|Edit|Create/ })).toHaveCount(0);
  expect(foreign).toEqual([]);
  expect((await context.cookies()).map(({ name }) => name)).not.toContain("soundwright_session");

  await page.reload();
  await expect(page.getByRole("list", { name: "Links to this track" }).getByRole("listitem")).toHaveCount(1);
  await accessible();
  await confirm("Revoke link 1", "Revoke");
  await expect(page.getByRole("list", { name: "Links to this track" })).toHaveCount(0);
  await stranger.reload();
  await expect(stranger.getByRole("alert")).toHaveText(
    "This link has expired or was revoked. Ask the person who sent it for a new one.",
  );
  await context.close();
});
