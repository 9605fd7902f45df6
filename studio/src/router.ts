/** The current view, from the path below `/studio`. Links within the studio change it without a page load. */

import { signal } from "@preact/signals";
import { useCallback, useState } from "preact/hooks";

const BASE = "/studio";

/** The path below `/studio`, for example `/tracks/0f8fad5b-…`. The start page is `/`, also as `/tracks`. */
export const path = signal(current());

const first = path.value;
/** Whether another view than the first one was shown. */
export let hasMoved = false;
path.subscribe((now) => {
  hasMoved ||= now !== first;
});

/** How long a page that grows keeps the place that it was left at. */
const RESTORE_MILLISECONDS = 2000;

/** Show another view. */
export function navigate(to: string): void {
  keep("scroll", scrollY);
  history.pushState(null, "", to);
  path.value = current();
  scrollTo(0, 0);
}

/** Follow links and the browser's history. Called once. */
export function startRouter(): void {
  history.scrollRestoration = "manual";
  addEventListener("pagehide", () => keep("scroll", scrollY));
  addEventListener("popstate", () => {
    if (path.value === current()) return; // a link to a part of the page
    path.value = current();
    restoreScroll();
  });
  restoreScroll();
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    const isPlain = event.button === 0 && !(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey);
    if (!link || !isPlain || event.defaultPrevented || link.target || link.hasAttribute("download")) return;
    if (link.origin !== location.origin || !isWithin(link.pathname) || link.hash) return;
    event.preventDefault();
    navigate(link.pathname);
  });
}

/** State of a view that is there again after a reload, or when the user comes back. */
export function useKept<T>(name: string, first: T): [T, (value: T) => void] {
  const [value, setValue] = useState<T>(() => kept(name) ?? first);
  const change = useCallback(
    (changed: T) => {
      setValue(changed);
      keep(name, changed);
    },
    [name],
  );
  return [value, change];
}

function kept<T>(name: string): T | undefined {
  return (history.state as Record<string, T> | null)?.[name];
}

function keep(name: string, value: unknown): void {
  history.replaceState({ ...(history.state as object | null), [name]: value }, "");
}

/** Scroll to where the view was left, again while it loads, until the user does something. */
function restoreScroll(): void {
  const y = kept<number>("scroll") ?? 0;
  const observer = new ResizeObserver(() => scrollTo(0, y));
  const gestures = ["wheel", "touchstart", "pointerdown", "keydown"] as const;
  const stop = () => {
    observer.disconnect();
    clearTimeout(timer);
    for (const gesture of gestures) removeEventListener(gesture, stop);
  };
  const timer = setTimeout(stop, RESTORE_MILLISECONDS);
  for (const gesture of gestures) addEventListener(gesture, stop);
  observer.observe(document.body);
}

function current(): string {
  return location.pathname.slice(BASE.length).replace(/^\/tracks$|\/$/, "") || "/";
}

function isWithin(pathname: string): boolean {
  return pathname === BASE || pathname.startsWith(`${BASE}/`);
}

/** Return whether the browser has loaded the page again, and shows no other view since. */
export function isReloaded(): boolean {
  const [load] = performance.getEntriesByType("navigation") as PerformanceNavigationTiming[];
  return load?.type === "reload" && !hasMoved;
}
