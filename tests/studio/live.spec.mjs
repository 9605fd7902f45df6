// The mixer of a separation that runs.

import { expect, inkOf, test } from "./studio.mjs";

test("stems are heard while they are made, and on past the end of the job", async ({ page, slider, position, user, button, accessible }) => {
  const id = await user.upload("Test tune", 40);
  await page.goto(`/studio/tracks/${id}`);
  await page.getByText("Advanced").click();
  await page.getByLabel("Model").selectOption("spleeter-with-small");
  await button("Separate into stems").click();
  await expect(page.getByText("You hear the separation while it runs")).toBeVisible();
  // The separation takes several seconds more. What must come before its end comes first.
  await button("Play").click();
  await slider.fill("39");
  await expect(page.getByText(/Playback waits for 0:39, which comes in about 0:\d\d\./)).toBeVisible();
  const cover = page.locator(".not-yet");
  await expect(cover).toBeVisible();
  const lane = page.getByRole("region", { name: "other" }).locator("canvas.waveform");
  let before = 0;
  await expect.poll(async () => (before = await lane.evaluate(inkOf)), { intervals: [50] }).toBeGreaterThan(0);
  await slider.fill("0");
  await expect(page.getByText("Playback waits")).toHaveCount(0);
  await expect(button("Pause")).toBeVisible();
  await accessible();

  // It plays on when the job has ended: the player stays, and the waveforms are complete.
  await expect(page.getByText("You hear the separation while it runs")).toHaveCount(0);
  await expect(cover).toHaveCount(0);
  await expect(button("Pause")).toBeVisible();
  await expect.poll(() => lane.evaluate(inkOf)).toBeGreaterThan(before);
  const reached = await position();
  await expect.poll(position).toBeGreaterThan(reached);
  await expect(page.getByText("Separated by spleeter-with-small.")).toBeVisible();

  await page.reload();
  await expect(page.getByRole("region", { name: "vocals" })).toBeVisible();
  await expect(button("Hear the original")).toBeEnabled();
});
