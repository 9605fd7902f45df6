// Pages whose console, accessibility and looks are watched.

import { join } from "node:path";
import { violationsOf } from "./accessibility.mjs";

/** What pages complained about: lines of their consoles, and what axe found by the names of their states. */
export class Watch {
  complaints = [];
  violations = {};

  /** `pictures` is a folder for screenshots; empty: none are made. */
  constructor(pictures = "") {
    this.pictures = pictures;
  }

  /** Open a page and note what its console says. */
  async open(context) {
    const page = await context.newPage();
    page.setDefaultTimeout(60_000);
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) {
        this.complaints.push(`${message.text()} ${message.location().url}`);
      }
    });
    page.on("pageerror", (error) => this.complaints.push(String(error)));
    return page;
  }

  /** Note the violations of WCAG 2.2 A and AA that axe finds, and make screenshots. */
  async check(page, name) {
    const violations = await violationsOf(page);
    if (violations.length > 0) this.violations[name] = violations;
    if (this.pictures) await this.photograph(page, name);
  }

  async photograph(page, name) {
    const shot = (kind) => page.screenshot({ path: join(this.pictures, `${name}-${kind}.png`), fullPage: true });
    await shot("light");
    await page.emulateMedia({ colorScheme: "dark" });
    await shot("dark");
    await page.emulateMedia({ colorScheme: "light" });
    const size = page.viewportSize();
    await page.setViewportSize({ width: 360, height: 740 });
    await shot("phone");
    await page.setViewportSize(size);
  }
}
