/** Waits for a connection that was lost. */

const RETRY_MILLISECONDS = 3000;

/** Wait until the browser is online again, or for three seconds: the server may be the one that was away. */
export function untilRetry(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(end, RETRY_MILLISECONDS);
    function end() {
      clearTimeout(timer);
      removeEventListener("online", end);
      signal.removeEventListener("abort", end);
      resolve();
    }
    addEventListener("online", end);
    signal.addEventListener("abort", end);
  });
}
