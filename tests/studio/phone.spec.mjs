// Phones: every page at two widths, and a track that plays without a server.

import { appoint, expect, test } from "./studio.mjs";

// Chromium itself notes requests that fail while it is offline, and the first ones of a page that was loaded then. Pages follow each
// other faster than the rate limit allows.
test.use({ expected: ["ERR_INTERNET_DISCONNECTED", "ERR_FAILED", "status of 403", "status of 429"], contextOptions: { hasTouch: true } });

/** Runs in the page. Return what sticks out to the right, except in parts that scroll sideways by themselves. */
function outside() {
  const scrolls = (element) => element.closest(".table-frame, .hidden, .skip, [hidden]");
  return [...document.querySelectorAll("a, button, input, select, textarea, h1, h2, h3, img, p, canvas")]
    .filter((element) => element.checkVisibility() && !scrolls(element))
    .filter((element) => element.getBoundingClientRect().right > innerWidth + 0.5)
    .map((element) => element.outerHTML.slice(0, 80));
}

test("no page is cut off on a phone, and a kept track plays without a server", async ({ page, slider, position, context, request, user, button, link, accessible }) => {
  test.slow();
  await appoint(request, user, "admin");
  const title = "A long title of a song that goes on and on, and has one_very_long_word_without_a_single_space_in_it";
  const id = await user.upload(title, 8);
  await user.run("/api/processing/separate", { track_id: id, model: "dsp" });
  await user.run("/api/analysis/analyze", { track_id: id });
  const made = async (path, data) => (await (await user.post(path, { data })).json()).data;
  const { path: shared } = await made(`/api/tracks/${id}/links`, {});
  const { id: setlist } = await made("/api/setlists", { name: title.slice(0, 100) });
  await user.send("patch", `/api/setlists/${setlist}`, { data: { track_ids: [id, id] } });
  const playlist = (await (await user.post("/api/playlists", { data: { name: title.slice(0, 100) } })).json()).id;

  const views = `demo tracks/${id} setlists setlists/${setlist} setlists/${setlist}/1 generate clips playlists
    playlists/${playlist} agents agents/about/${id} jobs account components admin admin/jobs admin/models admin/users admin/audit`;
  await page.goto("/studio");
  await page.evaluate(() => navigator.serviceWorker.ready);
  const studio = ["", ...views.split(/\s+/)].map((view) => `/studio/${view}`);
  const running = new Set();
  page.on("request", (request) => running.add(request));
  for (const event of ["requestfinished", "requestfailed"]) page.on(event, (request) => running.delete(request));
  for (const path of [...studio, shared, "/users/settings"]) {
    await page.goto(path);
    await expect(page.locator("h1").first()).toBeVisible();
    await expect.poll(() => running.size).toBe(0);
    for (const width of [390, 320]) {
      await page.setViewportSize({ width, height: 740 });
      expect.soft(await page.evaluate(() => document.documentElement.scrollWidth), path).toBe(width);
      expect.soft(await page.evaluate(outside), path).toEqual([]);
    }
  }

  // The transport is in reach of the thumb, wherever the page is scrolled to.
  await page.goto(`/studio/tracks/${id}`);
  await expect(button("Play")).toBeInViewport();
  await page.getByRole("heading", { name: "Share" }).scrollIntoViewIfNeeded();
  await expect(button("Play")).toBeInViewport();

  const keep = page.getByRole("switch", { name: /^Keep offline/ });
  await keep.check();
  await expect(page.locator(".keep-offline")).toHaveText(/Keep offline \d+(\.\d+)? [kM]B$/);
  await page.evaluate(() => scrollTo(0, document.body.scrollHeight)); // where the transport covers nothing
  await accessible();
  await context.setOffline(true);
  await page.goto("/studio/account");
  await expect(page.getByText("Your account appears here when the server is reachable again.")).toBeVisible();
  await expect(page.getByText("The server is not reachable.").first()).toBeVisible();
  await link("Setlists").click(); // nothing covers it
  await page.getByRole("list", { name: "Setlists" }).getByRole("link").click();
  await expect(page.getByText("1 of 1 track can play without the server.")).toBeVisible();
  await expect(page.getByLabel("Search your tracks")).toHaveCount(0);
  await link("Tracks").click();
  await page.getByRole("list", { name: "Tracks kept offline" }).getByRole("link").click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText(title);
  await button("Loop the visible part").click(); // it does not end, however long the connection takes
  await slider.fill("4");
  await button("Play").click();
  await expect.poll(position).toBeGreaterThan(6); // the second segment, too
  await context.setOffline(false);
  await expect(page.getByText("The server is not reachable.").first()).toHaveCount(0);
  await expect(button("Pause")).toBeVisible(); // what plays is not interrupted
  await expect(page.getByRole("heading", { name: "Share" })).toHaveCount(0);
  await button("Pause").click();
  await expect(page.getByRole("heading", { name: "Share" })).toBeVisible(); // the page knows the account again

  // What is kept goes with the log-out. What every account has stays.
  const stored = (page) => page.evaluate(() => Object.keys(localStorage).sort());
  await page.evaluate(() => localStorage.setItem("soundwright.player.volume", "0.5"));
  expect(await stored(page)).toContain(`soundwright.mixer.${id}`);
  await page.goto("/studio/account");
  await expect(page.getByText(/^This browser keeps 1 track offline: \d/)).toBeVisible();
  await button("Log out").click();
  await expect(page).toHaveURL(/users\/log-in/);
  expect(await page.evaluate(async () => (await caches.keys()).filter((name) => name.startsWith("offline ")))).toEqual([]);
  expect(await stored(page)).toEqual(["soundwright.player.volume"]);
  for (const path of ["/users/log-in", "/users/register", shared]) {
    await page.goto(path);
    expect.soft(await page.evaluate(outside), path).toEqual([]);
  }
});
