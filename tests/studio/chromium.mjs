// Chromium: the one on PATH, or else the one of the npm package @sparticuz/chromium, which needs no root.

import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const FOLDER = join(import.meta.dirname, "../node_modules/.chromium");
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--autoplay-policy=no-user-gesture-required",
];

/** Return the options with which Playwright starts Chromium. */
export async function located() {
  const onPath = execFileSync("sh", ["-c", "command -v chromium || true"], { encoding: "utf8" }).trim();
  if (onPath) return { executablePath: onPath, args: FLAGS, env: process.env };
  // The package unpacks Chromium to the folder for temporary files, and the libraries that Chromium needs if it believes to run in
  // AWS Lambda.
  const { TMPDIR = "/tmp", AWS_EXECUTION_ENV = "" } = process.env;
  mkdirSync(FOLDER, { recursive: true });
  Object.assign(process.env, { TMPDIR: FOLDER, AWS_EXECUTION_ENV: "AWS_Lambda_nodejs22.x" });
  const { default: packed } = await import("@sparticuz/chromium");
  const executablePath = await packed.executablePath();
  Object.assign(process.env, { TMPDIR, AWS_EXECUTION_ENV });
  const fonts = join(FOLDER, "fonts");
  const settings = join(fonts, "fonts.conf");
  writeFileSync(settings, readFileSync(settings, "utf8").replace("/tmp/fonts<", `${fonts}<`));
  const env = { ...process.env, LD_LIBRARY_PATH: join(FOLDER, "al2023/lib"), FONTCONFIG_PATH: fonts };
  return { executablePath, args: FLAGS, env };
}
