// Starts Chromium: the one on PATH, or else the one of the npm package @sparticuz/chromium, which needs no root.

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium as playwright } from "playwright-core";

export const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--autoplay-policy=no-user-gesture-required",
];

function onPath() {
  try {
    return execFileSync("sh", ["-c", "command -v chromium"], { encoding: "utf8" }).trim();
  } catch {
    return "";
  }
}

/** Return the path of Chromium, and the environment that it needs. */
export async function located() {
  const path = onPath();
  if (path) return { path, env: process.env };
  // The package unpacks the libraries that Chromium needs if it believes to run in AWS Lambda.
  process.env.AWS_EXECUTION_ENV = "AWS_Lambda_nodejs22.x";
  const { default: packed } = await import("@sparticuz/chromium");
  const unpacked = await packed.executablePath();
  return { path: unpacked, env: { ...process.env, LD_LIBRARY_PATH: join(tmpdir(), "al2023", "lib") } };
}

/** Start Chromium with an empty profile. Return its context, whose `close` also removes the profile. */
export async function startChromium(options = {}) {
  const { path, env } = await located();
  const profile = mkdtempSync(join(tmpdir(), "studio-profile-"));
  const context = await playwright.launchPersistentContext(profile, {
    executablePath: path,
    headless: true,
    args: FLAGS,
    env,
    ...options,
  });
  context.on("close", () => rmSync(profile, { recursive: true, force: true }));
  return context;
}
