// The account page in Chromium: API keys, webhooks, connections and sessions. Prints what it saw as JSON.
// Usage: node account.mjs ADDRESS COOKIE COOKIE-OF-ANOTHER-BROWSER ADDRESS-OF-A-RECEIVER [FOLDER FOR SCREENSHOTS]

import { execFileSync } from "node:child_process";
import { startChromium } from "./chromium.mjs";
import { Watch } from "./watched.mjs";

const [address, cookie, otherCookie, receiver, pictures = ""] = process.argv.slice(2);
const watch = new Watch(pictures);
const seen = {};
const [context, otherContext] = await Promise.all([logIn(cookie), logIn(otherCookie)]);
try {
  const page = await watch.open(context);
  const button = (name) => page.getByRole("button", { name, exact: true });
  const confirm = async (name, text) => {
    await button(name).click();
    await page.getByRole("dialog").getByRole("button", { name: text, exact: true }).click();
  };
  await page.goto(`${address}/studio/account`);
  await page.getByText("No keys yet.").waitFor();
  await page.getByText("No webhooks yet.").waitFor();

  // A key is shown once; its command works until the key is revoked.
  const name = "a laptop with a <b>long</b> name, which takes all of the eighty characters allowed";
  await page.getByLabel("Name of the new key").fill(name.slice(0, 80));
  await page.getByLabel("Name of the new key").press("Enter");
  const command = await page.getByRole("group", { name: "Command" }).innerText();
  seen.command = JSON.parse(run(command)).data.map((track) => track.title);
  seen.names = await page.locator("td.name").first().innerText();
  await watch.check(page, "account");
  await page.reload();
  await button(`Revoke ${name.slice(0, 80)}`).waitFor();
  seen.secret_after_reload = await page.getByRole("group", { name: "New key" }).count();
  await confirm(`Revoke ${name.slice(0, 80)}`, "Revoke");
  await page.getByText("No keys yet.").waitFor();
  const deadline = Date.now() + 20_000;
  do seen.revoked = JSON.parse(run(command)).code; // reads may accept a revoked key for half a second
  while (!seen.revoked && Date.now() < deadline);

  // A webhook receives a test and the same message again.
  await page.getByLabel("Address").fill("http://192.0.2.1/hook");
  await button("Create a webhook").click();
  seen.refusal = await page.getByRole("alert").innerText();
  await page.getByLabel("Address").fill(receiver);
  await button("Create a webhook").click();
  await page.getByRole("group", { name: "Signing secret" }).waitFor();
  seen.webhook_secret = await page.getByRole("group", { name: "Signing secret" }).innerText();
  await button(`Send a test to ${receiver}`).click();
  const delivery = page.getByRole("list", { name: `Deliveries to ${receiver}` }).getByRole("listitem");
  await delivery.getByText("delivered").waitFor();
  seen.delivery = (await delivery.first().innerText()).replaceAll(/\s+/g, " ");
  await Promise.all([page.waitForResponse(/\/replay$/), button("Send again: ping").click()]);
  await delivery.getByText("delivered").waitFor();
  await watch.check(page, "webhook");
  await confirm(`Rotate the secret of ${receiver}`, "Rotate the secret");
  await page.waitForFunction(
    (before) => document.querySelector('code[aria-label="Signing secret"]').textContent !== before,
    seen.webhook_secret,
  );
  await confirm(`Delete ${receiver}`, "Delete");
  await page.getByText("No webhooks yet.").waitFor();

  // The key of lalal.ai goes to the server, and does not come back.
  await page.getByLabel("License key").fill("0123456789abcdef");
  await button("Save the key").click();
  await button("Disconnect lalal.ai").waitFor();
  seen.key_on_page = await page.evaluate(() => document.documentElement.innerHTML.includes("0123456789abcdef"));
  await confirm("Disconnect lalal.ai", "Disconnect");
  await page.getByLabel("License key", { exact: true }).waitFor();

  // The other browser is logged out: its open view, and what it loads next.
  const other = await otherContext.newPage();
  await other.goto(`${address}/studio`);
  await other.getByRole("heading", { name: "Tracks" }).waitFor();
  await page.reload();
  const sessions = page.locator('[aria-label="Logged-in browsers"] tbody tr');
  await sessions.nth(1).waitFor();
  seen.sessions = await sessions.allInnerTexts();
  await button("Log out Chrome on Linux").click();
  await page.getByRole("dialog").getByRole("button", { name: "Log out", exact: true }).click();
  await page.waitForFunction(() => document.querySelectorAll('[aria-label="Logged-in browsers"] tbody tr').length === 1);
  await other.getByRole("link", { name: "Jobs" }).click();
  await other.waitForURL(/\/users\/log-in\?return_to=/);
  seen.other_went_to = new URL(other.url()).pathname;

  await page.setViewportSize({ width: 360, height: 740 });
  seen.phone_width = await page.evaluate(() => document.documentElement.scrollWidth);
  await page.emulateMedia({ colorScheme: "dark" });
  await watch.check(page, "account, dark");
  const { complaints, violations } = watch;
  console.log(JSON.stringify({ ...seen, complaints, violations }));
} finally {
  await Promise.all([context.close(), otherContext.close()]);
}

async function logIn(cookie) {
  const started = await startChromium({ viewport: { width: 1280, height: 800 }, bypassCSP: false });
  const [name, value] = cookie.split("=");
  await started.addCookies([{ name, value, url: address }]);
  return started;
}

function run(command) {
  return execFileSync("sh", ["-c", `${command} -s --max-time 30`], { encoding: "utf8" });
}
