// Two tracks are selected and separated as a batch in Chromium. Prints what it saw as JSON.
// Usage: node batch.mjs ADDRESS SESSION-COOKIE TITLE TITLE

import { startChromium } from "./chromium.mjs";
import { Watch } from "./watched.mjs";

const [address, cookie, ...titles] = process.argv.slice(2);
const context = await startChromium({ viewport: { width: 1280, height: 800 }, bypassCSP: false });
const [name, value] = cookie.split("=");
await context.addCookies([{ name, value, url: address }]);
const watch = new Watch("");
const seen = {};
try {
  const page = await watch.open(context);
  page.setDefaultTimeout(120_000);
  const button = (name) => page.getByRole("button", { name, exact: true });

  await page.goto(`${address}/studio`);
  for (const title of titles) await page.getByRole("checkbox", { name: `Select ${title}` }).check();
  const group = page.getByRole("group", { name: "Selected tracks" });
  seen.selected = await group.locator("span").first().innerText();
  await watch.check(page, "selected tracks");
  await button("Clear the selection").click();
  await group.waitFor({ state: "detached" });
  seen.cleared = await page.getByRole("checkbox", { checked: true }).count();

  for (const title of titles) await page.getByRole("checkbox", { name: `Select ${title}` }).check();
  await group.getByLabel("Model").selectOption("dsp");
  await button("Separate the selected tracks").click();
  seen.notice = await page.getByText("will be separated").innerText();
  await page.getByRole("link", { name: "Jobs", exact: true }).last().click();
  const batch = page.getByRole("list", { name: "Jobs" }).getByRole("listitem").filter({ hasText: "2 tracks" });
  await batch.getByText("2 of 2 completed").waitFor();
  seen.batch = await batch.innerText();
  await page.getByLabel("Type").selectOption("batch");
  await page.waitForFunction(() => document.querySelectorAll(".jobs > li").length === 1);
  await watch.check(page, "a batch");
  console.log(JSON.stringify({ ...seen, complaints: watch.complaints, violations: watch.violations }));
} finally {
  await context.close();
}
