import { admin, expect, song, test } from "./studio.mjs";

test("selected tracks are separated, edited and deleted, and changes can be undone", async ({ page, user, button, link, accessible, fitsPhone }) => {
  const titles = ["First tune", "Second tune"];
  const ids = [];
  for (const title of [...titles, "Left alone"]) ids.push(await user.upload(title, 0.5));
  const select = async () => {
    for (const title of titles) await page.getByRole("checkbox", { name: `Select ${title}` }).check();
  };
  await page.goto("/studio");
  await select();
  const group = page.getByRole("group", { name: "Selected tracks" });
  await expect(group.locator("span").first()).toHaveText("2 tracks selected");
  await accessible();
  await button("Clear the selection").click();
  await expect(group).toHaveCount(0);
  await expect(page.getByRole("checkbox", { checked: true })).toHaveCount(0);

  await select();
  await group.getByText("Advanced").click();
  await group.getByLabel("Model").selectOption("dsp");
  await button("Separate the selected tracks").click();
  await expect(page.getByText("2 tracks will be separated. Jobs shows the progress.", { exact: true })).toBeVisible();
  await page.getByRole("link", { name: "Jobs", exact: true }).last().click();
  const batch = page.getByRole("list", { name: "Jobs" }).getByRole("listitem").filter({ hasText: "2 tracks" });
  for (const text of ["2 of 2 completed", "completed", "Batch · dsp"]) await expect(batch).toContainText(text);
  await page.getByLabel("Type").selectOption("batch");
  await expect(page.locator(".jobs > li")).toHaveCount(1);
  const { data } = await (await user.requests.get("/api/tracks")).json();
  const counts = Object.fromEntries(data.map((track) => [track.title, track.stem_count]));
  expect(counts).toEqual({ "First tune": 4, "Second tune": 4, "Left alone": 0 });

  // Tracks are edited and deleted, many at once, and both can be undone.
  const stored = (id) => user.requests.get(`/api/tracks/${id}`).then((answer) => answer.json());
  const row = (title) => page.getByRole("list", { name: "Tracks" }).getByRole("listitem").filter({ hasText: title });
  const { data: other } = await (await user.post("/api/tracks", { multipart: { title: "Known tempo", file: song("Known tempo", 0.5) } })).json();
  await page.goto(`/studio/tracks/${other.id}`);
  const cover = page.locator("img.cover");
  const picture = { name: "cover.png", mimeType: "image/png", buffer: await page.screenshot() };
  await button("Edit the track").click();
  await page.getByLabel("Picture for the cover").setInputFiles(picture);
  await expect(cover).toHaveCount(2); // in the dialog and in the head of the page
  await expect(cover.first()).toHaveJSProperty("naturalWidth", 640);
  await accessible();
  await button("Remove the cover").click();
  await expect(cover).toHaveCount(0);
  await page.keyboard.press("Escape");
  await button("Undo").click();
  await expect(cover).toHaveCount(1);

  await button("Edit the track").click();
  await page.getByLabel("Title").fill("Blue Hour");
  await page.getByLabel("Artist").fill("Nobody");
  await page.getByLabel("Key").selectOption("F# minor");
  await page.getByLabel("Tempo in bpm").fill("61.5");
  await button("× 2: double the tempo").click();
  await button("Save").click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Blue Hour");
  await expect(button("Edit the track")).toBeFocused(); // the keyboard goes on where the dialog was opened
  await expect(page.locator(".facts")).toContainText("123.0 bpm");
  expect((await stored(other.id)).data).toMatchObject({ title: "Blue Hour", artist: "Nobody", key: "F# minor", bpm: 123 });
  await button("Undo").click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Known tempo");
  expect((await stored(other.id)).data).toMatchObject({ artist: null, key: null, bpm: null });

  await link("Tracks").click();
  await select();
  await button("Edit the selected tracks").click();
  await page.getByLabel("Artist").fill("The Tunes");
  await page.getByLabel("Key").selectOption("A minor");
  await button("Save").click();
  await expect(row("The Tunes · A minor")).toHaveCount(2);
  await button("Undo").click();
  await expect(row("The Tunes")).toHaveCount(0);

  await button("Delete the selected tracks").click();
  await expect(row("tune")).toHaveCount(0);
  await expect(page.getByText("2 tracks deleted.")).toBeVisible();
  await accessible();
  await fitsPhone();
  await button("Undo").click();
  await expect(row("tune")).toHaveCount(2);
  // A deletion is final when the next change follows, and when the page is left.
  for (const [at, title] of titles.entries()) {
    await link(title).click();
    await button("Delete the track").click();
    await expect(row("Left alone")).toBeVisible();
    await expect(row(title)).toHaveCount(0);
    expect((await stored(ids[1])).data?.title).toBe("Second tune");
    if (at === 1) await page.goto("/studio/jobs");
    await expect.poll(async () => (await stored(ids[0])).code ?? "kept").toBe(at === 0 ? "kept" : "TRACK_NOT_FOUND");
  }
  await expect.poll(async () => (await stored(ids[1])).code).toBe("TRACK_NOT_FOUND");
});

test.describe("an upload", () => {
  test.use({ expected: ["status of 404", "status of 413"] });

  test("gets the space of tracks that were just deleted", async ({ page, request, user, button }) => {
    const ids = [await user.upload("Old tune", 0.5), await user.upload("Lost tune", 0.5)];
    const { data: users } = await (await request.get("/api/admin/users", { ...admin, params: { search: user.email } })).json();
    const data = { storage_quota_bytes: users[0].storage_used_bytes };
    expect((await request.patch(`/api/admin/users/${users[0].id}`, { ...admin, data })).ok()).toBe(true);
    const row = (title) => page.getByRole("list", { name: "Tracks" }).getByRole("listitem").filter({ hasText: title });
    await page.goto("/studio");
    for (const title of ["Old tune", "Lost tune"]) await page.getByRole("checkbox", { name: `Select ${title}` }).check();
    await button("Delete the selected tracks").click();
    expect((await user.requests.get(`/api/tracks/${ids[0]}`)).status()).toBe(200);
    await user.send("delete", `/api/tracks/${ids[1]}`); // on another device
    for (const title of ["New tune", "Newest tune"]) {
      await page.getByLabel("Files to upload").setInputFiles(song(title, 0.5));
      await expect(row(title)).toBeVisible();
    }
    await expect(row("tune")).toHaveCount(2);
    for (const id of ids) expect((await user.requests.get(`/api/tracks/${id}`)).status()).toBe(404);
  });
});

test.describe("without a service worker, which Playwright cannot route", () => {
  test.use({ serviceWorkers: "block", expected: ["Service Worker registration blocked"] });

  test("a list is as it was left, and shows all pages", async ({ page, user, button }) => {
    for (const title of ["Long ago", "Long road", "Short cut", "Small talk"]) await user.upload(title, 0.5);
    await page.setViewportSize({ width: 800, height: 300 });
    await page.goto("/studio");
    const links = page.getByRole("list", { name: "Tracks" }).getByRole("link");
    await expect(links).toHaveCount(4);
    await page.evaluate(() => scrollTo(0, 150));
    await page.getByRole("link", { name: "Short cut" }).click();
    await expect(page.getByRole("heading", { name: "Short cut" })).toBeVisible();
    await page.goBack();
    await expect(links).toHaveCount(4);
    await expect.poll(() => page.evaluate(() => scrollY)).toBeGreaterThan(100);

    await page.route("**/api/tracks?*", (route) => route.continue({ url: route.request().url().replace(/page_size=\d+/, "page_size=2") }));
    await page.reload();
    await expect(links).toHaveText(["Small talk", "Short cut"]);
    await button("More tracks").click();
    await expect(links).toHaveText(["Small talk", "Short cut", "Long road", "Long ago"]);
    await expect(button("More tracks")).toHaveCount(0);

    const search = page.getByRole("searchbox", { name: "Search" });
    await search.fill("long");
    await expect(links).toHaveCount(2);
    await page.getByRole("link", { name: "Long road" }).click();
    await expect(page.getByRole("heading", { name: "Long road" })).toBeVisible();
    await page.goBack();
    await expect(search).toHaveValue("long");
    await expect(links).toHaveText(["Long road", "Long ago"]);
    await page.reload();
    await expect(search).toHaveValue("long");
  });
});

test.describe("300 tracks", () => {
  test.use({ expected: ["status of 503"] });

  test("are changed with one request for each hundred, and those that fail stay", async ({ page, user, button, accessible }) => {
    const id = await user.upload("Tune", 0.5);
    const { data: track } = await (await user.requests.get(`/api/tracks/${id}`)).json();
    const data = Array.from({ length: 300 }, (_, index) => ({ ...track, file_path: null, id: `${index}`, title: `Tune ${index}` }));
    const waiting = [];
    await page.route("**/api/tracks?*", (route) => route.fulfill({ json: { data, meta: { page: 1, total_count: 300, total_pages: 1 } } }));
    await page.route("**/api/tracks/batch", (route) => waiting.push(route));
    /** Answer the next request, as if the tracks with these IDs did not exist. Return the IDs of the request. */
    const answer = async (unknown = []) => {
      await expect.poll(() => waiting.length).toBe(1);
      const route = waiting.shift();
      const { changes = [], deletions = [] } = route.request().postDataJSON();
      const ids = [...changes.map((change) => change.track_id), ...deletions];
      const failure = { error: "There is no such track.", error_code: "TRACK_NOT_FOUND" };
      const results = ids.map((each) => ({ track: data[each], error: null, ...(unknown.includes(each) && failure) }));
      await route.fulfill({ json: { data: { results } } });
      return ids;
    };
    const ids = (from, to) => data.slice(from, to).map((each) => each.id);
    await page.goto("/studio");
    await page.getByLabel("Select all 300 tracks of the list").check();
    await expect(page.getByText("300 tracks selected")).toBeVisible();
    await accessible();
    await button("Edit the selected tracks").click();
    await page.getByLabel("Artist").fill("Nobody");
    await button("Save").click();
    expect(await answer()).toEqual(ids(0, 100));
    await expect(page.getByRole("dialog").getByRole("status")).toHaveText("Changing: 100 of 300 tracks. Keep this page open.");
    await answer();
    await answer(["299"]);
    const alert = page.getByRole("dialog").getByRole("alert");
    await expect(alert).toHaveText("1 of 300 tracks stays as it was. “Tune 299”: There is no such track.");
    await page.keyboard.press("Escape");
    await button("Undo").click();
    await answer();
    await expect(page.getByText("Undoing: 100 of 299 tracks. Keep this page open.")).toBeVisible();
    await answer();
    expect(await answer()).toEqual(ids(200, 299));
    await expect(page.getByText(/^Undoing/)).toHaveCount(0);

    // A track that is gone counts as deleted. Those that the server did not delete come back.
    const rows = page.getByRole("list", { name: "Tracks" }).getByRole("listitem");
    await button("Delete the selected tracks").click();
    await expect(rows).toHaveCount(0);
    await page.getByRole("button", { name: "Close", exact: true }).click();
    await answer(["7"]);
    await answer();
    await expect.poll(() => waiting.length).toBe(1);
    await waiting.shift().fulfill({ status: 503, json: { code: "QUEUE_FULL", message: "Try again in a minute." } });
    await expect(page.getByText("Not all tracks were deleted. 100 of 300 tracks stay as they were. “Tune 200”: Try again in a minute.")).toBeVisible();
    await expect(rows).toHaveCount(100);
  });
});
