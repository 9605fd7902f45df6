// The account page: API keys, webhooks, connections and sessions.

import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { expect, PASSWORD, song, test, User } from "./studio.mjs";

test.use({ expected: ["status of 401", "status of 403", "422"] });

test("keys, webhooks and other services are connected and removed", async ({ page, user, button, link, hold, confirm, accessible }) => {
  // Spotify can only be connected if it is configured. The first page has no service worker, which would fetch the answer itself.
  await page.route("**/api/features", (route) => route.fulfill({ json: { data: { language_model: null, spotify: false } } }));
  await page.goto("/studio/account");
  await expect(page.getByText("This server has no access to Spotify.")).toBeVisible();
  await expect(link("Connect Spotify")).toHaveCount(0);

  // A key is shown once, and its command works until it is revoked.
  const name = "a laptop with a <b>long</b> name, which takes all of the eighty characters allowed".slice(0, 80);
  await user.upload("Test tune", 0.5);
  await expect(page.getByText("No keys yet.")).toBeVisible();
  await page.getByLabel("Name of the new key").fill(name);
  await page.getByLabel("Name of the new key").press("Enter");
  const command = await page.getByRole("group", { name: "Command" }).innerText();
  const answer = () => JSON.parse(execFileSync("sh", ["-c", `${command} -s --max-time 30`], { encoding: "utf8" }));
  expect(answer().data.map((track) => track.title)).toEqual(["Test tune"]);
  await expect(page.locator("td.name").first()).toHaveText(name);
  await accessible();
  await confirm(`Revoke ${name}`, "Revoke");
  await expect(page.getByText("No keys yet.")).toBeVisible();
  await expect(page.getByRole("group", { name: "New key" })).toHaveCount(0);
  await expect.poll(() => answer().code).toBe("UNAUTHORIZED"); // reads may accept a revoked key for half a second

  // A webhook receives a test and the same message again.
  const receiver = process.env.STUDIO_RECEIVER;
  await expect(page.getByText("No webhooks yet.")).toBeVisible();
  await page.getByLabel("Address").fill("http://192.0.2.1/hook");
  await button("Create a webhook").click();
  await expect(page.getByRole("alert")).toHaveText(/^The address must begin with https:\/\//);
  await expect(page.getByRole("alert")).not.toHaveText(/url must.*url must/); // the sentence names the field once
  await page.getByLabel("Address").fill(receiver);
  await button("Create a webhook").click();
  const secret = page.getByRole("group", { name: "Signing secret" });
  const before = await secret.innerText();
  writeFileSync(process.env.STUDIO_SECRET, before); // the test that has started Playwright verifies the signatures
  await button(`Send a test to ${receiver}`).click();
  const delivery = page.getByRole("list", { name: `Deliveries to ${receiver}` }).getByRole("listitem");
  await expect(delivery.first()).toHaveText(/^ping\s+delivered\s+204\s+Send again\s+.*, 1 attempt, \d+ ms$/, { useInnerText: true });
  await Promise.all([page.waitForResponse(/\/replay$/), button("Send again: ping").click()]);
  await expect(delivery.getByText("delivered")).toBeVisible();
  await accessible();
  // A click while something else is under way counts: it happens afterwards.
  const release = await hold("**/api/webhooks");
  await confirm(`Rotate the secret of ${receiver}`, "Rotate the secret");
  await expect(secret).not.toHaveText(before);
  await confirm(`Delete ${receiver}`, "Delete");
  release();
  await expect(page.getByText("No webhooks yet.")).toBeVisible();
  await expect(secret).toHaveCount(0);

  // A key for another service does not come back.
  await page.getByLabel("License key").fill("0123456789abcdef");
  await button("Save the key").click();
  await expect(button("Disconnect lalal.ai")).toBeVisible();
  expect(await page.content()).not.toContain("0123456789abcdef");
  await confirm("Disconnect lalal.ai", "Disconnect");
  await expect(page.getByLabel("License key", { exact: true })).toBeVisible();
});

test("browsers are logged out, and the account is deleted", async ({ page, browser, user, button, link, hold, confirm, accessible }) => {
  await page.goto("/studio/account");
  const context = await browser.newContext();
  await new User(context, user.email).logIn();
  const other = await context.newPage();
  await other.goto("/studio");
  await expect(other.getByRole("heading").first()).toBeVisible();
  await page.reload();
  const sessions = page.locator('[aria-label="Logged-in browsers"] tbody tr');
  await expect(sessions).toHaveText([/^Chrome on Linux.*127\.0\.0\.1/s, /^Chrome on Linux.*127\.0\.0\.1/s]);
  await expect(sessions.filter({ hasText: "this browser" })).toHaveCount(1);
  await confirm("Log out Chrome on Linux", "Log out");
  await expect(sessions).toHaveCount(1);
  // Its open view notices when it loads something next.
  await other.getByRole("link", { name: "Jobs" }).click();
  await expect(other).toHaveURL(/\/users\/log-in\?return_to=/);
  await context.close();
  await page.emulateMedia({ colorScheme: "dark" });
  await accessible();

  // A page from before a login uploads and logs out.
  await page.goto("/studio");
  await user.logIn();
  await page.getByLabel("Files to upload").setInputFiles(song("Test tune", 0.5));
  await expect(page.getByRole("list", { name: "Tracks" }).getByRole("link", { name: "Test tune", exact: true })).toBeVisible();
  await user.logIn();
  await page.locator("a.account").click();
  await button("Log out").click();
  await expect(page.getByText("You have been logged out.")).toBeVisible();

  // The account is taken along, and deleted with its password.
  await user.logIn();
  await page.goto("/studio/account");
  const [archive] = await Promise.all([page.waitForEvent("download"), link("Download all data").click()]);
  const names = execFileSync("python3", ["-m", "zipfile", "-l", await archive.path()], { encoding: "utf8" });
  expect(names).toMatch(/tracks\/Test tune \w{8}\/recording.wav/);
  await button("Delete the account").click();
  await expect(page.getByRole("dialog").getByRole("link", { name: "Download all data" })).toBeVisible();
  await page.getByLabel("Password", { exact: true }).fill("not the password");
  await expect(button("Delete everything")).toBeDisabled();
  await page.getByLabel(`Type ${user.email} to confirm`).fill(user.email);
  await button("Delete everything").click();
  await expect(page.getByRole("alert")).toHaveText("This is not your password.");
  await accessible();
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await button("Delete everything").click();
  await expect(page.getByRole("heading", { name: /^Soundwright separates/ })).toBeVisible();
  await expect(page.getByText("Your account and everything in it was deleted.")).toBeVisible();
  await expect(page.getByText("Guest")).toBeVisible();
});
