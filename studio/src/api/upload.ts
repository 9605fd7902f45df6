/** Uploads of files, with progress. `fetch` does not report the progress of a request, so they use `XMLHttpRequest`. */

import type { Track } from "./client.ts";
import { finishDeletions } from "./edits.ts";
import { ApiError, refusal } from "./errors.ts";
import { sendWithToken } from "./session.ts";

/** Return a new idempotency key. `crypto.randomUUID` needs HTTPS. */
export function newKey(): string {
  return crypto.getRandomValues(new Uint32Array(4)).join("-");
}

/** Requests of the rate limit that uploads leave to the rest of the studio. */
const RESERVED_REQUESTS = 20;
let pausedUntil = 0;

export function isPaused(): boolean {
  return performance.now() < pausedUntil;
}

/** Wait while uploads would use up the rate limit, or until `signal` is aborted. */
export function untilAllowed(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(end, pausedUntil - performance.now());
    signal.addEventListener("abort", end);
    function end() {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    }
  });
}

/** Let uploads pause until the rate limit begins again, if a response says that it is nearly used up. */
function heed(response: XMLHttpRequest): void {
  const numberOf = (header: string) => Number(response.getResponseHeader(header) ?? Number.NaN);
  if (!(numberOf("x-ratelimit-remaining") < RESERVED_REQUESTS)) return;
  const now = Date.parse(response.getResponseHeader("date") ?? "") / 1000;
  const seconds = numberOf("retry-after") || numberOf("x-ratelimit-reset") - now;
  if (seconds > 0) pausedUntil = performance.now() + 1000 * Math.min(60, seconds);
}

/** Upload a file as a new track, once for each key. Throws {@link ApiError} with the message of the server. */
export async function uploadTrack(...upload: Upload): Promise<Track> {
  try {
    return await sent(...upload);
  } catch (error) {
    if (!(error instanceof ApiError && error.code === "QUOTA_EXCEEDED" && (await finishDeletions()))) throw error;
    return await sent(...upload);
  }
}

type Upload = [file: File, key: string, onProgress: (share: number) => void, signal: AbortSignal];

async function sent(...upload: Upload): Promise<Track> {
  const { status, response } = await sendWithToken((token) => post(token, ...upload));
  if (status === 201 || status === 200) return response.data as Track;
  throw refusal(status, response);
}

function post(csrfToken: string, ...[file, key, onProgress, signal]: Upload): Promise<XMLHttpRequest> {
  return new Promise((resolve, reject: (reason: ApiError | DOMException) => void) => {
    const form = new FormData();
    form.append("file", file);
    const request = new XMLHttpRequest();
    request.responseType = "json";
    request.open("POST", "/api/tracks");
    request.setRequestHeader("x-csrf-token", csrfToken);
    request.setRequestHeader("idempotency-key", key);
    request.upload.onprogress = (event) => onProgress(event.lengthComputable ? event.loaded / event.total : 0);
    request.onload = () => {
      heed(request);
      resolve(request);
    };
    request.onerror = () =>
      reject(refusal(0, { code: "UNREACHABLE", message: "The connection was lost. Upload the file again." }));
    request.onabort = () => reject(new DOMException("The upload was cancelled.", "AbortError"));
    signal.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}
