/** Uploads of files, with progress. `fetch` does not report the progress of a request, so they use `XMLHttpRequest`. */

import type { Track } from "./client.ts";
import { type ApiError, refusal } from "./errors.ts";
import { currentCsrfToken, entered } from "./session.ts";

/** Return a new idempotency key. `crypto.randomUUID` needs HTTPS. */
export function newKey(): string {
  return crypto.getRandomValues(new Uint32Array(4)).join("-");
}

/** Upload a file as a new track, once for each key. Throws {@link ApiError} with the message of the server. */
export async function uploadTrack(
  file: File,
  key: string,
  onProgress: (share: number) => void,
  signal: AbortSignal,
): Promise<Track> {
  await entered();
  return new Promise((resolve, reject: (reason: ApiError | DOMException) => void) => {
    const form = new FormData();
    form.append("file", file);
    const request = new XMLHttpRequest();
    request.responseType = "json";
    request.open("POST", "/api/tracks");
    request.setRequestHeader("x-csrf-token", currentCsrfToken());
    request.setRequestHeader("idempotency-key", key);
    request.upload.onprogress = (event) => onProgress(event.lengthComputable ? event.loaded / event.total : 0);
    request.onload = () => {
      if (request.status === 201 || request.status === 200) resolve(request.response.data as Track);
      else reject(refusal(request.status, request.response));
    };
    request.onerror = () =>
      reject(refusal(0, { code: "UNREACHABLE", message: "The connection was lost. Upload the file again." }));
    request.onabort = () => reject(new DOMException("The upload was cancelled.", "AbortError"));
    signal.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}
