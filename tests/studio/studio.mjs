// What all specs have in common: a user of the studio, and pages that complain about nothing.

import { test as base, expect } from "@playwright/test";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

export { expect };
export const PASSWORD = "correct horse battery";
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];

/** Return a recording with a beat of 120 bpm, as a file to upload. */
export function song(title, seconds) {
  const buffer = readFileSync(`${process.env.STUDIO_SONGS}/${seconds}.wav`);
  return { name: `${title}.wav`, mimeType: "audio/wav", buffer };
}

/** Return a recording with a black cover, as a file to upload. */
export function songWithCover(title) {
  return { name: `${title}.m4a`, mimeType: "audio/mp4", buffer: readFileSync(`${process.env.STUDIO_SONGS}/cover.m4a`) };
}

/** Runs in the page. Return the share of the pixels of a canvas that are more opaque than a value of at most 255. */
export function inkOf(canvas, opacity = 0) {
  if (canvas.width === 0) return 0;
  // Chromium complains about repeated readings of a canvas on the GPU.
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0);
  const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
  return data.filter((value, at) => at % 4 === 3 && value > opacity).length / (data.length / 4);
}

/** Runs in the page. Return what axe finds. */
async function violations(levels) {
  // No rule of these levels reads style sheets, which axe would fetch.
  const options = { runOnly: levels, resultTypes: ["violations"], preload: { assets: ["media"] } };
  const found = await globalThis.axe.run(document, options);
  return found.violations.map(({ id, nodes }) => [id, ...nodes.map((node) => node.html)]);
}

/** What a request of the administrator has. */
export const admin = { headers: { Authorization: `Bearer ${process.env.STUDIO_TOKEN}` } };

/** Give a user a role. */
export async function appoint(request, { email }, role) {
  const { data } = await (await request.get("/api/admin/users", { ...admin, params: { search: email } })).json();
  expect((await request.patch(`/api/admin/users/${data[0].id}`, { ...admin, data: { role } })).ok()).toBe(true);
}

/** Who is logged in on the pages of a context. */
export class User {
  constructor(context, email = `${randomUUID()}@example.org`) {
    this.requests = context.request;
    this.email = email;
  }

  async post(path, options) {
    return this.send("post", path, options);
  }

  async send(method, path, options) {
    const page = await (await this.requests.get("/studio")).text();
    const headers = { "x-csrf-token": /name="csrf-token" content="([^"]+)"/.exec(page)[1] };
    const answer = await this.requests[method](path, { headers, ...options });
    expect(answer.ok(), await answer.text()).toBe(true);
    return answer;
  }

  /** Register as a guest does, who is logged in by that. */
  async register() {
    await this.post("/api/users/guest");
    const fields = { "user[email]": this.email, "user[password]": PASSWORD };
    await this.post("/users/register", { form: { ...fields, "user[password_confirmation]": PASSWORD } });
  }

  async logIn() {
    const answer = await this.post("/users/log-in", { form: { "user[email]": this.email, "user[password]": PASSWORD } });
    expect(new URL(answer.url()).pathname).toBe("/studio");
  }

  /** Upload a song, and return the ID of its track. */
  async upload(title, seconds, file = song(title, seconds)) {
    const { data } = await (await this.post("/api/tracks", { multipart: { title, file } })).json();
    return data.id;
  }

  /** Run a job, and wait for its end. */
  async run(path, data) {
    const { data: started } = await (await this.post(path, { data })).json();
    const status = async () => (await (await this.requests.get(`/api/jobs/${started.job_id}`)).json()).data.status;
    await expect.poll(status).toBe("completed");
  }
}

export const test = base.extend({
  /** Parts of complaints that a spec expects. Chromium itself notes each request that fails. */
  expected: [[], { option: true }],

  /** No page reports an error or a warning, also of contexts that a spec makes. A spec that fails says which requests had no answer. */
  quiet: [
    async ({ browser, context, expected }, use, info) => {
      const complaints = [];
      const unanswered = new Set();
      const listen = (to) => {
        to.on("request", (request) => unanswered.add(request));
        to.on("response", (response) => unanswered.delete(response.request()));
        to.on("requestfailed", (request) => unanswered.delete(request));
        to.on("console", (message) => {
          if (["error", "warning"].includes(message.type())) complaints.push(`${message.text()} ${message.location().url}`);
        });
        to.on("weberror", (problem) => complaints.push(String(problem.error())));
        return to;
      };
      const { newContext } = browser;
      browser.newContext = async (options) => listen(await newContext.call(browser, options));
      listen(context);
      await use();
      if (info.status !== info.expectedStatus) for (const request of unanswered) console.log(`No answer: ${request.method()} ${request.url()}`);
      browser.newContext = newContext;
      // A page that loads while the service worker starts fetches its preloads twice, and one on a busy machine runs them late.
      // Chromium notes both, and axe a player without metadata.
      const usual = ["cross-world service worker resource mismatch", "preloaded using link preload but not used", "preloadMedia"];
      const known = [...expected, ...usual];
      expect(complaints.filter((text) => !known.some((part) => text.includes(part)))).toEqual([]);
    },
    { auto: true },
  ],

  /** Who is logged in on the page. */
  user: async ({ context }, use) => {
    const user = new User(context);
    await user.register();
    await use(user);
  },

  button: ({ page }, use) => use((name) => page.getByRole("button", { name, exact: true })),
  link: ({ page }, use) => use((name) => page.getByRole("link", { name, exact: true })),
  slider: ({ page }, use) => use(page.getByRole("slider", { name: "Position" })),
  position: ({ slider }, use) => use(async () => Number(await slider.inputValue())),

  /** Hold requests for a path back. Return a function that lets them go. Requests of a service worker are not held. */
  hold: ({ page }, use) =>
    use(async (path) => {
      let release;
      const released = new Promise((resolve) => (release = resolve));
      await page.route(path, (route) => released.then(() => route.continue()));
      return release;
    }),

  /** Click a button, and the button of the dialog that it opens. */
  confirm: ({ page, button }, use) =>
    use(async (name, text) => {
      await button(name).click();
      await page.getByRole("dialog").getByRole("button", { name: text, exact: true }).click();
    }),

  /** Expect that axe finds no violation of WCAG 2.2 A and AA. */
  accessible: ({ page }, use) =>
    use(async () => {
      if (await page.evaluate(() => !("axe" in globalThis))) await page.evaluate(axe);
      expect.soft(await page.evaluate(violations, LEVELS)).toEqual([]);
    }),

  /** Expect that a phone needs no horizontal scrolling. */
  fitsPhone: ({ page }, use) =>
    use(async () => {
      await page.setViewportSize({ width: 360, height: 740 });
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(360);
    }),
});
