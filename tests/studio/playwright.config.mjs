// How Playwright drives Chromium. STUDIO_ADDRESS is the address of a running stack.

import { defineConfig } from "@playwright/test";
import { located } from "./chromium.mjs";

const SECONDS = 1000;
const campaign = Number(process.env.CAMPAIGN_SECONDS ?? 0);

export default defineConfig({
  workers: 1,
  reporter: "list",
  timeout: (300 + 5 * campaign) * SECONDS,
  expect: { timeout: 120 * SECONDS },
  use: {
    baseURL: process.env.STUDIO_ADDRESS,
    viewport: { width: 1280, height: 800 },
    actionTimeout: 120 * SECONDS,
    navigationTimeout: 120 * SECONDS,
    launchOptions: await located(),
    screenshot: "only-on-failure",
  },
  projects: [
    { name: "specs", testMatch: "*.spec.mjs" },
    { name: "pictures", testMatch: "pictures.mjs", use: { contextOptions: { reducedMotion: "reduce" } } },
    { name: "measure", testDir: "../../dev/bench/studio", testMatch: "measure.mjs", timeout: 1200 * SECONDS },
  ],
});
