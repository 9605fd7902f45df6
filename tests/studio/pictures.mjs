// Pictures of the studio for the documentation, with the demo song. Usage: node pictures.mjs ADDRESS FOLDER

import { join } from "node:path";
import { startChromium } from "./chromium.mjs";

const [address, folder] = process.argv.slice(2);
const WIDE = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 844 };
const context = await startChromium({ viewport: WIDE, reducedMotion: "reduce" });
try {
  const page = await context.newPage();
  page.setDefaultTimeout(300_000);
  const button = (name) => page.getByRole("button", { name, exact: true });

  await page.goto(address);
  await button("Load the demo song").click();
  const track = page.getByRole("link", { name: "Soundwright demo" });
  await track.waitFor();
  await page.mouse.move(0, 0);
  await shoot("start");

  await track.click();
  await page.getByLabel("Model").selectOption("dsp");
  await button("Analyse").click();
  await button("Separate into stems").click();
  await button("Play").waitFor();
  await button("Analyse again").waitFor();
  await page.waitForFunction(() => !document.querySelector("progress"));
  await page.mouse.move(0, 0);
  await shoot("track");

  for (const name of ["generate", "jobs"]) {
    await page.goto(`${address}/studio/${name}`);
    await page.getByRole("heading", { level: 1 }).waitFor();
    await page.waitForLoadState("networkidle");
    await page.screenshot({ path: join(folder, `${name}.png`) });
  }

  console.log("{}");

  async function shoot(name) {
    await page.waitForLoadState("networkidle");
    await page.screenshot({ path: join(folder, `${name}.png`) });
    await page.emulateMedia({ colorScheme: "dark" });
    await page.screenshot({ path: join(folder, `${name}-dark.png`) });
    await page.emulateMedia({ colorScheme: "light" });
    await page.setViewportSize(PHONE);
    await page.screenshot({ path: join(folder, `${name}-phone.png`) });
    await page.setViewportSize(WIDE);
  }
} finally {
  await context.close();
}
