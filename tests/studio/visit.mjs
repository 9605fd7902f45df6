// A visitor without an account in Chromium: a link, a slow and a lost connection, a second tab, registration, log-out and log-in.
// Prints what it saw as JSON. Usage: node visit.mjs ADDRESS FILE LINK EMAIL PASSWORD [FOLDER FOR SCREENSHOTS]

import { basename } from "node:path";
import { startChromium } from "./chromium.mjs";
import { Watch } from "./watched.mjs";

const SLOW = {
  offline: false,
  latency: 100,
  downloadThroughput: 400_000,
  uploadThroughput: 100_000,
};
const FAST = {
  offline: false,
  latency: 0,
  downloadThroughput: -1,
  uploadThroughput: -1,
};

const [address, file, link, email, password, pictures = ""] =
  process.argv.slice(2);
const title = basename(file).replace(/\.\w+$/, "");
const context = await startChromium({ viewport: { width: 1280, height: 800 } });
const watch = new Watch(pictures);
const seen = { guests: 0 };
try {
  const page = await watch.open(context);
  const button = (name) => page.getByRole("button", { name, exact: true });
  const trackLink = (name) =>
    page
      .getByRole("list", { name: "Tracks" })
      .getByRole("link", { name, exact: true });
  page.on("request", (request) => {
    if (request.url().endsWith("/api/users/guest")) seen.guests++;
  });

  // The start page works without an account.
  await page.goto(address);
  await page.getByText("No tracks yet.").waitFor();
  seen.start = new URL(page.url()).pathname;
  await watch.check(page, "start");

  // A link is shown before it is downloaded.
  await page.getByRole("textbox", { name: "Link" }).fill(link);
  await button("Show recordings").click();
  await page.getByRole("heading", { name: "Blue Hour" }).waitFor();
  seen.link = await page.locator(".link-contents .quiet").first().innerText();
  await watch.check(page, "link");
  await button("Download").click();
  await trackLink("Blue Hour").waitFor();

  // On a slow connection, the page works, and an upload shows its progress and can be cancelled.
  const network = await context.newCDPSession(page);
  await network.send("Network.enable");
  await network.send("Network.emulateNetworkConditions", SLOW);
  await page.reload();
  await trackLink("Blue Hour").waitFor();
  const input = page.getByLabel("Files to upload");
  await input.setInputFiles(file);
  const share = page.getByRole("list", { name: "Uploads" }).locator(".number");
  await share.filter({ hasText: /^[1-9]\d?%$/ }).waitFor();
  await button(`Cancel ${basename(file)}`).click();
  await share.waitFor({ state: "detached" });
  await network.send("Network.emulateNetworkConditions", FAST);

  // After a lost connection, an upload begins again. A lost answer does not create a second track.
  await context.setOffline(true);
  await input.setInputFiles(file);
  await share.filter({ hasText: "waiting for the connection" }).waitFor();
  await watch.check(page, "offline");
  seen.uploads = await loseNextAnswer(network);
  await context.setOffline(false);
  await trackLink(title).waitFor();
  await share.waitFor({ state: "detached" });
  await network.send("Fetch.disable");
  seen.tracks = await page
    .getByRole("list", { name: "Tracks" })
    .getByRole("link")
    .allInnerTexts();

  // A second tab shows the same jobs.
  const second = await watch.open(context);
  await second.goto(`${address}/studio/jobs`);
  await second.getByRole("heading", { name: "Jobs" }).waitFor();
  await page.bringToFront();
  await trackLink(title).click();
  await button("Analyse").click();
  await button("Analyse again").waitFor();
  await second.bringToFront();
  await second.reload();
  await second.getByRole("link", { name: title }).first().waitFor();
  seen.second_tab = await second.getByRole("main").innerText();

  // The guest registers, and keeps everything.
  await page.bringToFront();
  await page.goto(`${address}/studio/account`);
  await watch.check(page, "guest");
  await page.getByRole("link", { name: "Register", exact: true }).click();
  await page.getByLabel("Email").fill(email);
  await page.getByLabel("Password", { exact: true }).fill(password);
  await page.getByLabel("Repeat the password").fill(password);
  await button("Create the account").click();
  await trackLink(title).waitFor();
  seen.account = await page.locator(".account .email").innerText();

  // A log-out in one tab ends the session of the other one.
  await page.goto(`${address}/studio/account`);
  await button("Log out").click();
  await page.waitForURL(/users\/log-in/);
  seen.logged_out = await page.getByRole("status").innerText();
  await second.bringToFront();
  await second.waitForURL(/users\/log-in/);
  await page.bringToFront();
  await page.getByLabel("Email", { exact: true }).fill(email);
  await page.getByLabel("Password", { exact: true }).fill(password);
  await button("Log in").click();
  await trackLink(title).waitFor();
  await page.getByText("Welcome back.").waitFor();
  console.log(
    JSON.stringify({
      ...seen,
      complaints: watch.complaints,
      violations: watch.violations,
    }),
  );
} finally {
  await context.close();
}

/** Drop the next answer to an upload. Return the statuses of all answers, which are added as they arrive. */
async function loseNextAnswer(network) {
  const statuses = [];
  network.on("Fetch.requestPaused", ({ requestId, request, responseStatusCode }) => {
    const isUpload = request.method === "POST" && responseStatusCode !== undefined;
    if (isUpload) statuses.push(responseStatusCode);
    void (isUpload && statuses.length === 1
      ? network.send("Fetch.failRequest", { requestId, errorReason: "ConnectionReset" })
      : network.send("Fetch.continueRequest", { requestId }));
  });
  await network.send("Fetch.enable", { patterns: [{ urlPattern: "*/api/tracks", requestStage: "Response" }] });
  return statuses;
}
