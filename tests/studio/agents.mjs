// A conversation with the agents in Chromium. Prints what it saw as JSON.
// Usage: node agents.mjs ADDRESS COOKIE ID-OF-A-TRACK TITLE-OF-ANOTHER-TRACK [FOLDER FOR SCREENSHOTS]

import { startChromium } from "./chromium.mjs";
import { Watch } from "./watched.mjs";

const [address, cookie, trackId, otherTitle, pictures = ""] = process.argv.slice(2);
const watch = new Watch(pictures);
const seen = {};
const context = await startChromium({ viewport: { width: 1280, height: 800 }, bypassCSP: false });
try {
  const [name, value] = cookie.split("=");
  await context.addCookies([{ name, value, url: address }]);
  const page = await watch.open(context);
  const button = (name) => page.getByRole("button", { name, exact: true });
  const messages = page.getByRole("list", { name: "Messages" }).locator("> li");
  const ask = async (text, count) => {
    await page.getByLabel("Question", { exact: true }).fill(text);
    await page.getByLabel("Question", { exact: true }).press("Enter");
    await messages.nth(count - 1).waitFor();
    return messages.nth(count - 1).innerText();
  };

  // From a track, with another one added.
  await page.goto(`${address}/studio/tracks/${trackId}`);
  await page.getByRole("link", { name: "Ask the agents" }).click();
  await page.getByText("No conversations yet.").waitFor();
  await page.getByRole("list", { name: "Tracks of the question" }).getByRole("listitem").waitFor();
  await page.getByLabel("Add a track to the question").fill("other");
  await button(`Add ${otherTitle}`).click();
  await watch.check(page, "agents");
  await button(`Remove ${otherTitle}`).click();
  await page.getByLabel("Add a track to the question").fill("");

  // The analysis is missing: the answer offers to start it.
  seen.first = await ask("Which key and tempo does it have?", 2);
  await page.waitForURL(/\/studio\/agents\/[0-9a-f-]{36}$/);
  await watch.check(page, "suggestion");
  const offer = page.getByRole("button", { name: /^Analyse/ });
  seen.offer = await offer.innerText();
  await offer.click();
  await page.getByText("Started: Analyse").waitFor();
  while (!(await context.request.get(`${address}/api/analysis/${trackId}`)).ok()) await page.waitForTimeout(100);
  seen.second = await ask("Which key and tempo does it have?", 4);
  seen.tracks = await messages.nth(3).getByRole("link").allInnerTexts();
  seen.links = await messages.nth(3).getByRole("link").first().getAttribute("href");
  await watch.check(page, "answer");

  // It is listed, survives a reload, and can be deleted.
  await page.reload();
  await messages.nth(3).waitFor();
  seen.after_reload = await messages.count();
  await page.setViewportSize({ width: 360, height: 740 });
  seen.phone_width = await page.evaluate(() => document.documentElement.scrollWidth);
  await button("Delete “Which key and tempo does it have?”").click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete", exact: true }).click();
  await page.getByText("No conversations yet.").waitFor();
  seen.path = new URL(page.url()).pathname;
  const { complaints, violations } = watch;
  console.log(JSON.stringify({ ...seen, complaints, violations }));
} finally {
  await context.close();
}
