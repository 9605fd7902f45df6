// What runs is said before and after a job, and administrators enable what does not run yet. STUDIO_MODEL is a model that the hub
// has and nobody has allowed.

import { appoint, expect, test } from "./studio.mjs";

const MODEL = process.env.STUDIO_MODEL;

/** Return what the API plans for a track. */
async function planOf(user, track_id, parameters) {
  const { data } = await (await user.post("/api/processing/plan", { data: { track_ids: [track_id], ...parameters } })).json();
  return data[0];
}

test("users see what runs before it starts, and what ran, and administrators enable more", async ({ page, request, user, button, accessible, fitsPhone }) => {
  const id = await user.upload("Test tune", 2);
  const degraded = { track_id: id, model: MODEL };
  await page.goto(`/studio/tracks/${id}`);
  const region = page.getByRole("region", { name: "Separate" });
  const { model, better_model } = await planOf(user, id, { model: "auto", quality: "best" });
  const only = new RegExp(`^Fast, balanced and best are the same on this server${model} · (about|a few)`);
  await expect(region.locator(".quality")).toHaveText(only);
  await expect(region.getByText(`${model} will run.`)).toBeVisible();
  await expect(region.getByText(`Better quality: ${better_model}`)).toContainText("An administrator can enable it.");
  await expect(region.getByRole("button", { name: /^Enable/ })).toHaveCount(0);
  await region.getByText("Advanced").click();
  await expect(region.locator(`option[value="${MODEL}"]`)).toHaveJSProperty("disabled", true);
  await accessible();
  await button("Separate into stems").click();
  await expect(page.getByText(`Separated by ${model}.`)).toBeVisible();

  // A client of the API that names a model which is not enabled.
  await user.run("/api/processing/separate", degraded);
  await page.reload();
  const origin = page.getByText(`Separated by`).first();
  await expect(origin).toContainText(`${MODEL} is not enabled on this server.`);
  await expect(origin.getByText("nobody has allowed them")).toBeHidden();
  await origin.getByText("Why?").click();
  await expect(origin.getByText("nobody has allowed them")).toBeVisible();
  await accessible();
  await page.goto("/studio/jobs");
  await expect(page.locator(".jobs > li").first()).toContainText(`because ${MODEL} is not enabled on this server`);
  await expect(page.locator(".jobs > li").first()).not.toContainText(`Separation · ${MODEL}`);
  await page.goto(`/studio/tracks/${id}`);
  await region.getByText("Advanced").click();
  await fitsPhone();

  // An administrator enables a model beside its name.
  await page.setViewportSize({ width: 1280, height: 800 });
  await appoint(request, user, "admin");
  await page.reload();
  await expect(region.getByText(`Better quality: ${better_model}`)).toBeVisible();
  await expect(button(`Enable ${better_model}`).first()).toBeVisible();
  await region.getByText("Advanced").click();
  await button(`Enable ${MODEL}`).click();
  const dialog = page.getByRole("dialog");
  await expect(dialog).toContainText("Licence of the weightsnone stated");
  await expect(dialog).toContainText("scientific purposes only");
  await expect(dialog).toContainText("Your account and the time are recorded.");
  await accessible();
  await dialog.getByRole("button", { name: "Allow and download" }).click();
  await expect(region.locator(`option[value="${MODEL}"]`)).toHaveJSProperty("disabled", false);
  await region.getByLabel("Model").selectOption(MODEL);
  await expect(region.getByText(`${MODEL} will run.`)).toBeVisible();
  await button("Separate again").click();
  await expect(page.getByText(`Separated by ${MODEL}.`)).toBeVisible();

  await page.goto("/studio/admin/audit");
  await page.getByLabel("Action").selectOption("model_allow");
  const entry = page.getByRole("region", { name: "Audit log" }).locator("tbody tr").first();
  for (const text of [user.email, `model ${MODEL}`, "none stated"]) await expect(entry).toContainText(text);
  await page.goto("/studio/admin/models");
  await expect(button(`Enable ${better_model}`)).toBeVisible();
  await expect(button(`Enable ${MODEL}`)).toHaveCount(0);
  await page.goto("/studio");
  await page.getByRole("checkbox", { name: "Select Test tune" }).check();
  await expect(page.getByRole("group", { name: "Selected tracks" }).getByText("will run.")).toBeVisible();
  await fitsPhone();
});
