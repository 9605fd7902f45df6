import { expect, test } from "./studio.mjs";

test("selected tracks are separated as a batch", async ({ page, user, button, accessible }) => {
  const titles = ["First tune", "Second tune"];
  for (const title of [...titles, "Left alone"]) await user.upload(title, 0.5);
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
  await accessible();
  const { data } = await (await user.requests.get("/api/tracks")).json();
  const counts = Object.fromEntries(data.map((track) => [track.title, track.stem_count]));
  expect(counts).toEqual({ "First tune": 4, "Second tune": 4, "Left alone": 0 });
});
