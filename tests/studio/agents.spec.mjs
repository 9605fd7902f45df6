import { expect, test } from "./studio.mjs";

const QUESTION = "Which key and tempo does it have?";

test("agents answer by rules, and what they suggest can be started", async ({ page, user, button, link, hold, confirm, accessible, fitsPhone }) => {
  const title = "<img src=x onerror=alert(1)>";
  const trackId = await user.upload(title, 8);
  await user.upload("The other one", 0.5);
  const messages = page.getByRole("list", { name: "Messages" }).locator("> li");
  const ask = async () => {
    await page.getByLabel("Question", { exact: true }).fill(QUESTION);
    await page.getByLabel("Question", { exact: true }).press("Enter");
  };

  // What can be clicked keeps its place while the rest of the page loads, so that no click misses.
  const release = await hold("**/api/processing/*");
  await page.goto(`/studio/tracks/${trackId}`);
  const places = () => Promise.all([link("Ask the agents"), button("Separate into stems")].map((each) => each.boundingBox()));
  const before = await places();
  release();
  await expect(page.getByText(/^The model \S+ will run\./)).toBeVisible();
  expect(await places()).toEqual(before);

  // From a track, with another one added.
  await link("Ask the agents").click();
  await expect(page.getByText("No conversations yet.")).toBeVisible();
  await expect(page.getByRole("list", { name: "Tracks of the question" }).getByRole("listitem")).toBeVisible();
  await page.getByLabel("Add a track to the question").fill("other");
  await button("Add The other one").click();
  await accessible();
  await button("Remove The other one").click();
  await page.getByLabel("Add a track to the question").fill("");

  // The page says what can be asked.
  await expect(page.getByText(/^No language model is configured, so the agents answer by rules\. Ask for the key, tempo/)).toBeVisible();

  // The analysis is missing: the answer offers to start it.
  await ask();
  await expect(messages.nth(1)).toContainText("Answered by rules: No language model is configured.");
  await expect(page).toHaveURL(/\/studio\/agents\/[0-9a-f-]{36}$/);
  await accessible();
  await button(`Analyse “${title}”`).click();
  await expect(page.getByText("Started: Analyse")).toBeVisible();
  await expect.poll(async () => (await user.requests.get(`/api/analysis/${trackId}`)).ok()).toBe(true);
  await ask();
  await expect(messages.nth(3)).toContainText(/tempo: 1(19|20|21)/);
  await expect(messages.nth(3).getByRole("link")).toHaveText([title]);
  await expect(messages.nth(3).getByRole("link")).toHaveAttribute("href", `/studio/tracks/${trackId}`);
  await accessible();

  // It is listed, survives a reload, and can be deleted.
  await page.reload();
  await expect(messages).toHaveCount(4);
  await fitsPhone();
  await confirm(`Delete “${QUESTION}”`, "Delete");
  await expect(page.getByText("No conversations yet.")).toBeVisible();
  await expect(page).toHaveURL("/studio/agents");
});
