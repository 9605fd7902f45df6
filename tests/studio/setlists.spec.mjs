// A setlist: made, put in order by keyboard and by dragging, and played from one track to the next.

import { expect, test } from "./studio.mjs";

test.use({ expected: ["status of 404"] });

test("a setlist is made, reordered and played in order", async ({ page, user, button, link, confirm, accessible }) => {
  for (const [title, bpm, key] of [["Opener", 120, "A minor"], ["Ballad", 72, "F# major"], ["Finale", 140, "C major"]]) {
    const id = await user.upload(title, 0.5);
    await user.send("patch", `/api/tracks/${id}`, { data: { bpm, key } });
  }
  await page.goto("/studio");
  await link("Setlists").click();
  await page.getByLabel("Name of a new setlist").fill("Friday night");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: "Friday night" })).toBeVisible();
  await expect(page.locator("main")).toBeFocused(); // not the page, whose first links come again
  for (const title of ["Finale", "Ballad", "Opener"]) await button(`Add ${title}`).click();
  const rows = page.getByRole("list", { name: "Tracks of the setlist" }).getByRole("listitem");
  await expect(rows).toHaveText([/Finale.*C major · 140 bpm/s, /Ballad.*F# major · 72 bpm/s, /Opener.*A minor · 120 bpm/s]);

  await button("Move Opener up").focus();
  await page.keyboard.press("Enter");
  await expect(rows).toHaveText([/Finale/, /Opener/, /Ballad/]);
  await rows.filter({ hasText: "Finale" }).dragTo(rows.filter({ hasText: "Ballad" }));
  await expect(rows).toHaveText([/Opener/, /Ballad/, /Finale/]);
  await accessible();
  await page.reload();
  await expect(rows).toHaveText([/Opener/, /Ballad/, /Finale/]);
  await page.getByLabel("Name of the setlist").fill("Saturday");
  await button("Rename").click();
  await expect(page.getByRole("heading", { name: "Saturday" })).toBeVisible();

  // The mixer of a separated track and the player of any other one lead to the next track.
  const { data: separated } = await (await user.requests.get("/api/tracks?q=Opener")).json();
  await user.run("/api/processing/separate", { track_id: separated[0].id, model: "dsp" });
  await link("Play the setlist").click();
  await expect(page).toHaveURL(/\/3$/);
  await expect(page.getByRole("navigation", { name: "Setlist" })).toContainText("3 of 3");
  await page.goBack();
  await expect(page.getByRole("link", { name: /^Next: Finale/ })).toBeVisible();
  await accessible();
  await page.getByRole("navigation", { name: "Setlist" }).getByRole("link", { name: "Saturday" }).click();
  await confirm("Delete the setlist", "Delete the setlist");
  await expect(page.getByText(/^A setlist has the tracks/)).toBeVisible();
  for (const address of [/setlists\/[\w-]+$/, /setlists\/[\w-]+\/\d$/]) {
    await page.goBack();
    await expect(page).toHaveURL(address);
    await expect(page.getByRole("alert")).toContainText("There is no such setlist. It may have been deleted.");
    await expect(page.getByRole("alert").getByRole("link", { name: "All setlists" })).toHaveCount(1);
  }
});
