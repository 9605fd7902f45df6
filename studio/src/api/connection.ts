/** Whether the server answers. After a request that did not reach it, it is asked until it does. */

import { signal } from "@preact/signals";

const LONGEST_PAUSE_MILLISECONDS = 8000;

export const isConnected = signal(true);

const listeners = new Set<() => void>();

/** Call `listener` when the server answers again. Return a function that stops this. */
export function onReconnected(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Note that a request did not reach the server. */
export function connectionLost(): void {
  if (!isConnected.value) return;
  isConnected.value = false;
  void reconnect();
}

/** Wait until the server answers again, or until `signal` is aborted. */
export function untilConnected(signal: AbortSignal): Promise<void> {
  connectionLost();
  return new Promise((resolve) => {
    const stop = onReconnected(end);
    function end() {
      stop();
      signal.removeEventListener("abort", end);
      resolve();
    }
    signal.addEventListener("abort", end);
  });
}

async function reconnect(): Promise<void> {
  for (let pause = 1000; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MILLISECONDS)) {
    await wait(pause);
    const answer = await fetch("/health", { cache: "no-store" }).catch(() => null);
    if (answer?.ok) break;
  }
  isConnected.value = true;
  for (const listener of [...listeners]) listener();
}

/** Wait, but no longer than until the browser has a network again. */
function wait(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(end, milliseconds);
    function end() {
      clearTimeout(timer);
      removeEventListener("online", end);
      resolve();
    }
    addEventListener("online", end);
  });
}

addEventListener("offline", connectionLost);
