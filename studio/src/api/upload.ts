/** Uploads of files, with progress. `fetch` does not report the progress of a request, so they use `XMLHttpRequest`. */

import type { Track } from "./client.ts";
import { type ApiError, refusal } from "./errors.ts";
import { currentCsrfToken, entered } from "./session.ts";

/** Upload a file as a new track. Throws {@link ApiError} with the message of the server. */
export async function uploadTrack(
  file: File,
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
    request.upload.onprogress = (event) => onProgress(event.lengthComputable ? event.loaded / event.total : 0);
    request.onload = () => {
      if (request.status === 201) resolve(request.response.data as Track);
      else reject(refusal(request.status, request.response));
    };
    request.onerror = () =>
      reject(refusal(0, { code: "UNREACHABLE", message: "The connection was lost. Upload the file again." }));
    request.onabort = () => reject(new DOMException("The upload was cancelled.", "AbortError"));
    signal.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}
