/** The current view, from the path below `/studio`. Links within the studio change it without a page load. */

import { signal } from "@preact/signals";

const BASE = "/studio";

/** The path below `/studio`, for example `/tracks/0f8fad5b-…`. The start page is `/`, also as `/tracks`. */
export const path = signal(current());

/** Show another view. */
export function navigate(to: string): void {
  history.pushState(null, "", to);
  path.value = current();
  scrollTo(0, 0);
}

/** Follow links and the browser's history. Called once. */
export function startRouter(): void {
  addEventListener("popstate", () => {
    path.value = current();
  });
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    const isPlain = event.button === 0 && !(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey);
    if (!link || !isPlain || event.defaultPrevented || link.target || link.hasAttribute("download")) return;
    if (link.origin !== location.origin || !isWithin(link.pathname) || link.hash) return;
    event.preventDefault();
    navigate(link.pathname);
  });
}

function current(): string {
  return location.pathname.slice(BASE.length).replace(/^\/tracks$|\/$/, "") || "/";
}

function isWithin(pathname: string): boolean {
  return pathname === BASE || pathname.startsWith(`${BASE}/`);
}
