// Measures the memory of the track page. This Chromium has no developer tools, which would keep everything that the page loads: a
// script in the page plays and seeks, and tells this process what it does.

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { located } from "../../../tests/studio/chromium.mjs";
import { serveLong } from "./long.mjs";

const SAMPLE_MILLISECONDS = 100;
const LIMIT_MILLISECONDS = 300_000;

/** Return the resident megabytes of the renderer at the end of each phase, the highest while it seeks, and how far it played after that. */
export async function measureMemory(track) {
  const measured = Promise.withResolvers();
  const seen = {};
  let peak = 0;
  const note = (phase, value) => {
    if (phase === "played") measured.resolve({ ...seen, played_seconds: value });
    else seen[`${phase}_megabytes`] = Math.max(memory(browser.pid), phase === "seeking" ? peak : 0);
    peak = 0;
  };
  const server = await serveLong({ ...track, intercept: (request, response) => driven(track, request, response, note) });
  const { executablePath, args, env } = await located();
  const profile = mkdtempSync(join(tmpdir(), "studio-profile-"));
  const options = [...args, "--headless", "--window-size=1280,800", `--user-data-dir=${profile}`];
  const browser = spawn(executablePath, [...options, `${server.url}/studio/tracks/${track.trackId}`], { env, stdio: "ignore" });
  const sampling = setInterval(() => (peak = Math.max(peak, memory(browser.pid))), SAMPLE_MILLISECONDS);
  const limit = setTimeout(() => measured.reject(new Error("The track page did not play in time.")), LIMIT_MILLISECONDS);
  try {
    return await measured.promise;
  } finally {
    clearTimeout(limit);
    clearInterval(sampling);
    server.close();
    const ended = new Promise((resolve) => browser.once("exit", resolve));
    browser.kill();
    await ended;
    rmSync(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }
}

/** Add the script to the page, and take its reports. */
async function driven({ address, cookie, seconds }, request, response, note) {
  const [, phase, value] = /^\/measured\/(\w+)\/(\d+)$/.exec(request.url) ?? [];
  if (phase) note(phase, Number(value));
  if (phase) return "";
  if (request.url === "/drive.js") {
    response.setHeader("content-type", "text/javascript");
    return `(${drive})(${seconds})`;
  }
  if (!/^\/studio\/tracks\//.test(request.url)) return null;
  const page = await fetch(new URL(request.url, address), { headers: { cookie } });
  response.setHeader("content-type", "text/html");
  return (await page.text()).replace("</head>", '<script type="module" src="/drive.js"></script></head>');
}

/** Runs in the page. */
async function drive(seconds) {
  const SEEKS = 25;
  const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
  const report = (phase, value = 0) => fetch(`/measured/${phase}/${Math.round(value)}`, { method: "POST" });
  const found = async (selector) => {
    while (!document.querySelector(selector)) await pause(100);
    return document.querySelector(selector);
  };
  const play = await found('button[aria-label="Play"]');
  const slider = await found('input[aria-label="Position"]');
  await pause(3000);
  await report("idle");
  play.click();
  await pause(8000);
  await report("playing");
  let target = 0;
  for (let seek = 1; seek <= SEEKS; seek++) {
    target = (seek * 977) % seconds;
    slider.value = target;
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    await pause(1000);
  }
  await report("seeking");
  await pause(20_000);
  await report("after_seeks");
  await report("played", slider.valueAsNumber - target);
}

/** Resident memory of the largest renderer of a browser, in megabytes. */
function memory(browserId) {
  const sizes = children(browserId).map((id) => {
    const command = read(`/proc/${id}/cmdline`);
    return command.includes("--type=renderer") ? Number(/VmRSS:\s+(\d+)/.exec(read(`/proc/${id}/status`))?.[1] ?? 0) : 0;
  });
  return Math.round(Math.max(0, ...sizes) / 1024);
}

function children(id) {
  const own = read(`/proc/${id}/task/${id}/children`).split(" ").filter(Boolean);
  return own.flatMap((child) => [child, ...children(child)]);
}

function read(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // the process has ended
  }
}
