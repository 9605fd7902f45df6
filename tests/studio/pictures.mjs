// Renders the pictures of the documentation, with the demo song.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, inkOf, test } from "./studio.mjs";

const FOLDER = join(import.meta.dirname, "../../docs/pictures");
const PHONE = { width: 390, height: 844 };

test("pictures of the studio", async ({ page, button }) => {
  await page.goto("/");
  await button("Choose files").waitFor();
  const song = join(FOLDER, "../../demo/demo.ogg");
  await page.getByLabel("Files to upload").setInputFiles({ name: "Soundwright demo.ogg", mimeType: "audio/ogg", buffer: readFileSync(song) });
  const track = page.getByRole("link", { name: "Soundwright demo" });
  await track.waitFor();
  await page.mouse.move(0, 0);
  await shoot("start");

  await track.click();
  await button("Analyse again").waitFor();
  await button("Separate into stems").click();
  await page.getByText("You hear the separation while it runs").waitFor();
  const stem = page.getByRole("region", { name: "drums" }).locator("canvas.waveform");
  await expect.poll(() => stem.evaluate(inkOf), { intervals: [50] }).toBeGreaterThan(0);
  await page.evaluate(() => scrollTo(0, 0));
  await page.screenshot({ path: join(FOLDER, "live.png") });
  await page.locator(".not-yet").waitFor({ state: "detached" });
  await page.waitForFunction(() => !document.querySelector("progress"));
  await page.mouse.move(0, 0);
  await shoot("track");

  for (const name of ["generate", "jobs"]) {
    await page.goto(`/studio/${name}`);
    await page.getByRole("heading", { level: 1 }).waitFor();
    await page.waitForLoadState("networkidle");
    await page.screenshot({ path: join(FOLDER, `${name}.png`) });
  }

  async function shoot(name) {
    const wide = page.viewportSize();
    await page.waitForLoadState("networkidle");
    await page.screenshot({ path: join(FOLDER, `${name}.png`) });
    await page.emulateMedia({ colorScheme: "dark" });
    await page.screenshot({ path: join(FOLDER, `${name}-dark.png`) });
    await page.emulateMedia({ colorScheme: "light" });
    await page.setViewportSize(PHONE);
    await page.screenshot({ path: join(FOLDER, `${name}-phone.png`) });
    await page.setViewportSize(wide);
  }
});
