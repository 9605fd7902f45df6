// The administration in Chromium. Prints what it saw as JSON.
// Usage: node admin.mjs ADDRESS ADMINISTRATOR'S-COOKIE USER'S-COOKIE USER'S-ADDRESS [FOLDER FOR SCREENSHOTS]

import { startChromium } from "./chromium.mjs";
import { Watch } from "./watched.mjs";

const [address, adminCookie, userCookie, user, pictures = ""] = process.argv.slice(2);
const watch = new Watch(pictures);
const seen = {};
const context = await startChromium({ viewport: { width: 1280, height: 800 }, bypassCSP: false });
try {
  const page = await watch.open(context);
  const button = (name) => page.getByRole("button", { name, exact: true });
  const rows = (table) => page.getByRole("region", { name: table, exact: true }).locator("tbody tr");

  // Others see a sentence, and no link.
  await logIn(userCookie);
  await page.goto(`${address}/studio/admin`);
  seen.refusal = await page.getByRole("alert").innerText();
  seen.links_of_user = await page.getByRole("link", { name: "Administration" }).count();

  await logIn(adminCookie);
  await page.goto(`${address}/studio`);
  await page.getByRole("link", { name: "Administration" }).click();
  await page.getByText("on the disk are free").waitFor();
  seen.components = await page.getByRole("list", { name: "Components" }).getByRole("listitem").allInnerTexts();
  await watch.check(page, "platform");

  await page.getByRole("link", { name: "Jobs", exact: true }).last().click();
  await page.getByLabel("Status").selectOption("queued");
  await page.getByLabel("Type").selectOption("generation");
  await page.getByRole("button", { name: /^Cancel the job/ }).last().waitFor();
  await watch.check(page, "all jobs");
  const before = await rows("Jobs").count();
  await page.getByRole("button", { name: /^Cancel the job/ }).last().click();
  await page.getByRole("dialog").getByRole("button", { name: "Cancel the job", exact: true }).click();
  await page.waitForFunction((count) => document.querySelectorAll("tbody tr").length < count, before);
  seen.cancelled = before - (await rows("Jobs").count());

  await page.getByRole("link", { name: "Models" }).click();
  await button("Fetch htdemucs").click();
  seen.fetch = await rows("Models").getByText("The weights of the model 'htdemucs' are not available").innerText();
  await watch.check(page, "models");

  await page.getByRole("link", { name: "Users" }).click();
  await page.getByLabel("Email address").fill(user);
  await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 1);
  await button(`Change the quota of ${user}`).click();
  await page.getByLabel("Quota", { exact: true }).selectOption("own");
  await page.getByLabel("Gigabytes").fill("2.5");
  await watch.check(page, "quota");
  await button("Save").click();
  await rows("Users").getByText("of 2.5 GB").waitFor();
  seen.storage = await rows("Users").getByText("of 2.5 GB").innerText();
  await button(`Ban ${user}`).click();
  await page.getByRole("dialog").getByRole("button", { name: "Ban", exact: true }).click();
  await button(`Reactivate ${user}`).click();
  await page.getByRole("dialog").getByRole("button", { name: "Reactivate", exact: true }).click();
  await button(`Suspend ${user}`).click();
  await watch.check(page, "suspend");
  await page.getByRole("dialog").getByRole("button", { name: "Suspend", exact: true }).click();
  await button(`Reactivate ${user}`).waitFor();
  await watch.check(page, "users");
  seen.user = await rows("Users").innerText();

  await page.getByRole("link", { name: "Audit log" }).click();
  await rows("Audit log").first().waitFor();
  seen.actions = await rows("Audit log").locator("td:nth-child(3)").allInnerTexts();
  await page.getByLabel("Action").selectOption("suspend");
  await rows("Audit log").getByText("status: active → suspended").first().waitFor();
  seen.audit = await rows("Audit log").first().innerText();
  await watch.check(page, "audit");
  await page.setViewportSize({ width: 360, height: 740 });
  seen.phone_width = await page.evaluate(() => document.documentElement.scrollWidth);

  // The suspended user is out.
  await logIn(userCookie);
  const answer = await page.goto(`${address}/studio`);
  seen.suspended = [answer.status(), await page.locator("body").innerText()];
  const { complaints, violations } = watch;
  console.log(JSON.stringify({ ...seen, complaints, violations }));
} finally {
  await context.close();
}

async function logIn(cookie) {
  const [name, value] = cookie.split("=");
  await context.clearCookies();
  await context.addCookies([{ name, value, url: address }]);
}
