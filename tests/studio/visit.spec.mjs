// A visitor without an account: links, bad connections, two tabs, registration.

import { randomUUID } from "node:crypto";
import { expect, PASSWORD, song, test } from "./studio.mjs";

// Chromium itself notes requests that fail: while it is offline, and those without a session.
test.use({
  expected: ["ERR_INTERNET_DISCONNECTED", "ERR_FAILED", "ERR_NETWORK_CHANGED", "ERR_CONNECTION_RESET", "status of 401"],
});

test("a guest uploads over bad connections, registers and keeps everything", async ({ page, context, button, accessible }) => {
  const email = `${randomUUID()}@example.org`;
  const tracks = page.getByRole("list", { name: "Tracks" });
  const track = (name) => tracks.getByRole("link", { name, exact: true });
  let guests = 0;
  page.on("request", (request) => {
    if (request.url().endsWith("/api/users/guest")) guests++;
  });

  // The start page works without an account.
  await page.goto("/");
  await expect(page.getByRole("heading", { name: /^Soundwright separates a song/ })).toBeVisible();
  await expect(page).toHaveURL("/studio");

  // A link is shown before it is downloaded.
  await page.getByRole("textbox", { name: "Link" }).fill(process.env.STUDIO_LINK);
  await button("Show recordings").click();
  await expect(page.getByRole("heading", { name: "Blue Hour" })).toBeVisible();
  await expect(page.locator(".link-contents .quiet").first()).toHaveText("1 recording");
  await accessible();
  await button("Download").click();
  await expect(track("Blue Hour")).toBeVisible();

  // The studio keeps its own files, and changes pages without a server.
  await page.evaluate(() => navigator.serviceWorker.ready);

  // On a slow connection, the page works, and an upload shows its progress and can be cancelled.
  const network = await context.newCDPSession(page);
  const limit = (latency, downloadThroughput, uploadThroughput) =>
    network.send("Network.emulateNetworkConditions", { offline: false, latency, downloadThroughput, uploadThroughput });
  await network.send("Network.enable");
  await limit(100, 400_000, 100_000);
  await page.reload();
  await expect(track("Blue Hour")).toBeVisible();
  const upload = () => page.getByLabel("Files to upload").setInputFiles(song("Slow tune", 8));
  const share = page.getByRole("list", { name: "Uploads" }).locator(".number");
  await upload();
  await expect(share).toHaveText(/^[1-9]\d? % · .* left$/);
  await button("Cancel Slow tune.wav").click();
  await expect(share).toHaveCount(0);
  await limit(0, -1, -1);

  // After a lost connection, an upload begins again. A lost answer does not create a second track.
  await context.setOffline(true);
  await upload();
  await expect(share).toHaveText("waiting for the connection");
  const away = page.getByText("The server is not reachable.");
  await expect(away.first()).toBeVisible(); // a list that was being loaded may say so, too
  await accessible();
  await page.getByRole("link", { name: "Playlists" }).click();
  await expect(page.getByRole("heading", { name: "Playlists" })).toBeVisible();
  await expect(page.getByRole("alert").first()).toHaveText(/^The server is not reachable/);
  const statuses = await loseNextAnswer(network);
  await context.setOffline(false);
  await expect(page.getByRole("alert")).toHaveCount(0);
  await expect(away).toHaveCount(0);
  await page.getByRole("link", { name: "Tracks", exact: true }).click();
  await expect(track("Slow tune")).toBeVisible();
  await expect(share).toHaveCount(0);
  await network.send("Fetch.disable");
  expect(statuses).toEqual([201, 200]);
  expect((await tracks.getByRole("link").allInnerTexts()).sort()).toEqual(["Blue Hour", "Slow tune"]);

  // Without a server, the studio starts, and goes on when the server is back.
  await context.setOffline(true);
  await page.goto("/studio");
  await expect(away.first()).toBeVisible();
  await expect(page.getByRole("navigation").getByRole("link", { name: "Jobs" })).toBeVisible();
  await context.setOffline(false);
  await expect(track("Slow tune")).toBeVisible();

  // A second tab shows the same jobs.
  const second = await context.newPage();
  await second.goto("/studio/jobs");
  await expect(second.getByRole("heading", { name: "Jobs" })).toBeVisible();
  await page.bringToFront();
  await track("Slow tune").click();
  await expect(button("Analyse again")).toBeVisible();
  await second.bringToFront();
  await second.reload();
  for (const title of ["Slow tune", "Blue Hour"]) await expect(second.getByRole("main")).toContainText(title);

  // The guest registers, and keeps everything.
  await page.bringToFront();
  await page.goto("/studio/account");
  await accessible();
  await page.getByRole("link", { name: "Register", exact: true }).click();
  await page.getByLabel("Email").fill(email);
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await page.getByLabel("Repeat the password").fill(PASSWORD);
  await button("Create the account").click();
  await expect(track("Slow tune")).toBeVisible();
  await expect(page.locator(".account .email")).toHaveText(email);
  expect(guests).toBe(1);

  // A log-out in one tab ends the session of the other one.
  await page.goto("/studio/account");
  await button("Log out").click();
  await expect(page).toHaveURL(/users\/log-in/);
  await expect(page.getByRole("status")).toHaveText("You have been logged out.");
  await second.evaluate(() => document.dispatchEvent(new Event("visibilitychange"))); // somebody looks at it
  await expect(second).toHaveURL(/users\/log-in/);
  await page.bringToFront();
  await page.getByLabel("Email", { exact: true }).fill(email);
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await button("Log in").click();
  await expect(track("Slow tune")).toBeVisible();
  await expect(page.getByText("You are logged in.")).toBeVisible();
  await expect(button("Close").locator("svg")).toBeVisible();
});

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
