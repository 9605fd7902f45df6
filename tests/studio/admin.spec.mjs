import { randomUUID } from "node:crypto";
import { admin, appoint, expect, test, User } from "./studio.mjs";

test.use({ expected: ["403", "503"] });

test("administrators cancel jobs of others, and give quotas and suspend", async ({ page, browser, request, user, button, confirm, accessible }) => {
  // Others see a sentence and no link.
  await page.goto("/studio/admin");
  await expect(page.getByRole("alert")).toHaveText("This page requires the role of an administrator.");
  await expect(page.getByRole("link", { name: "Administration" })).toHaveCount(0);

  const context = await browser.newContext();
  const other = new User(context, `b&'o\`b{}+${randomUUID()}@example.org`);
  const { email } = other;
  await other.register();
  await appoint(request, user, "admin");
  await appoint(request, other, "pro");
  const jobs = [];
  for (let count = 0; count < 5; count++) {
    const accepted = await other.post("/generate", { data: { prompt: "slow cello", duration: 120 } });
    jobs.push((await accepted.json()).job_id);
  }

  await page.goto("/studio");
  await page.getByRole("link", { name: "Administration" }).click();
  await expect(page.getByText("on the disk are free")).toBeVisible();
  const names = ["library", "ingest", "separation", "analysis", "generation"];
  const components = page.getByRole("list", { name: "Components" }).getByRole("listitem");
  await expect(components).toHaveText(names.map((name) => `${name}: ready`));
  await accessible();

  await page.getByRole("link", { name: "Jobs", exact: true }).last().click();
  await page.getByLabel("Status").selectOption("queued");
  await page.getByLabel("Type").selectOption("generation");
  const last = page.getByRole("button", { name: `Cancel the job ${jobs[4].slice(0, 8)}` });
  await expect(last).toBeVisible();
  await accessible();
  await last.click();
  await page.getByRole("dialog").getByRole("button", { name: "Cancel the job", exact: true }).click();
  await expect(last).toHaveCount(0);
  const { data } = await (await request.get("/api/admin/jobs?job_type=generation&page_size=100", admin)).json();
  const cancelled = data.jobs.filter((job) => job.error === "cancelled").map((job) => job.id.replaceAll("-", ""));
  expect(jobs.filter((id) => cancelled.includes(id))).toEqual([jobs[4]]);
  for (const id of jobs.slice(0, 4)) await request.delete(`/api/admin/jobs/${id}`, admin);

  const rows = (table) => page.getByRole("region", { name: table, exact: true }).locator("tbody tr");
  await page.context().route("**/api/admin/models", async (route) => {
    const response = await route.fetch();
    const answer = await response.json();
    answer.data.find(({ name }) => name === "htdemucs_6s").weights = "not_installed";
    await route.fulfill({ response, json: answer });
  });
  await page.getByRole("link", { name: "Models" }).click();
  await expect(rows("Models").filter({ hasText: "htdemucs_ft" })).toHaveText(/missing.*Enable$/);
  await expect(rows("Models").filter({ hasText: "htdemucs_6s" }).first()).toHaveText(/not installed$/);
  await accessible();

  await page.getByRole("link", { name: "Users" }).click();
  await page.getByLabel("Email address").fill(email);
  await expect(rows("Users")).toHaveCount(1);
  await expect(rows("Users")).toContainText("B, default quota");
  await button(`Change the quota of ${email}`).click();
  await page.getByLabel("Quota", { exact: true }).selectOption("own");
  await page.getByLabel("Gigabytes").fill("2.5");
  await accessible();
  await button("Save").click();
  await expect(rows("Users")).toContainText("of 2.5 GB");
  await confirm(`Ban ${email}`, "Ban");
  await confirm(`Reactivate ${email}`, "Reactivate");
  await button(`Suspend ${email}`).click();
  await accessible();
  await page.getByRole("dialog").getByRole("button", { name: "Suspend", exact: true }).click();
  await expect(button(`Reactivate ${email}`)).toBeVisible();
  await expect(rows("Users")).toContainText("suspended");

  await page.getByRole("link", { name: "Audit log" }).click();
  for (const [index, action] of ["suspend", "reactivate", "ban", "quota change"].entries()) {
    await expect(rows("Audit log").nth(index).locator("td").nth(2)).toHaveText(action);
  }
  await page.getByLabel("Action").selectOption("suspend");
  await expect(rows("Audit log").first()).toContainText("status: active → suspended");
  await accessible();

  // The suspended user is out.
  const suspended = await context.newPage();
  expect((await suspended.goto("/studio")).status()).toBe(403);
  await expect(suspended.locator("body")).toContainText("This account is suspended.");
  await context.close();
});
