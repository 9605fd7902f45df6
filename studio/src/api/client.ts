/** The typed client of the public API. It sends the session cookie, and the CSRF token of the page. */

import createClient from "openapi-fetch";
import type { components, paths } from "./schema.d.ts";

export type Track = components["schemas"]["Track"];
export type Job = components["schemas"]["JobSummary"];
export type Analysis = components["schemas"]["Analysis"];
export type SeparationModel = components["schemas"]["SeparationModel"];
export type Stem = components["schemas"]["Stem"];
export type Stems = components["schemas"]["Stems"];
export type Clip = components["schemas"]["Clip"];
export type ClipJob = components["schemas"]["ClipJob"];
export type Playlist = components["schemas"]["Playlist"];
export type Session = components["schemas"]["Session"];
export type Webhook = components["schemas"]["Webhook"];
export type Delivery = components["schemas"]["Delivery"];

/** An error that the API has returned, or a failed connection (status 0). The message is for the user. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** Errors of the soundbox dialect have only the sentence, as `error`. */
interface Refusal {
  code?: string;
  message?: string;
  error?: string;
  details?: object;
}

const LOG_IN = "/users/log-in";
const RETRY_LIMIT = 3;

let csrfToken = metaOf(document, "csrf-token");

/** The email address of the account that is logged in. */
export const account = metaOf(document, "account");

/** The ID of that account. */
export const accountId = metaOf(document, "account-id");

export const api = createClient<paths>({ baseUrl: location.origin, fetch: send });

/** Return the data of a response. Throw {@link ApiError} for a refusal. */
export async function dataOf<T>(
  pending: Promise<{ data?: { data: T } | undefined; error?: unknown; response: Response }>,
): Promise<T> {
  const { data, error, response } = await pending;
  if (data === undefined) throw refusal(response.status, error);
  return data.data;
}

/** Return the body of a response of the soundbox dialect, which has no `data` around it. Throw {@link ApiError} for a refusal. */
export async function bodyOf<T>(
  pending: Promise<{ data?: T | undefined; error?: unknown; response: Response }>,
): Promise<T> {
  const { data, error, response } = await pending;
  if (data === undefined) throw refusal(response.status, error);
  return data;
}

/** Return a file as bytes. */
export async function getBytes(path: string, signal?: AbortSignal): Promise<ArrayBuffer> {
  const response = await send(new Request(path, { signal: signal ?? null }));
  if (!response.ok) throw refusal(response.status, await response.json().catch(() => null));
  return response.arrayBuffer();
}

/** Return the CSRF token for a request that does not use {@link api}. */
export function currentCsrfToken(): string {
  return csrfToken;
}

/** Return the error that a body describes. */
export function refusal(status: number, body: unknown): ApiError {
  const { code, details, ...texts } = (body ?? {}) as Refusal;
  const message = texts.message ?? texts.error;
  const fields = Object.entries(details ?? {}).map(([field, problems]) => `${field} ${[problems].flat().join(", ")}`);
  const text = [message ?? `The server returned status ${status}. Try again.`, ...fields].join(" ");
  return new ApiError(status, code ?? "UNKNOWN", text);
}

/** Send a request. Waits as long as the rate limit asks, renews an expired CSRF token, and goes to the login page without a session. */
async function send(request: Request): Promise<Response> {
  const isSafe = request.method === "GET" || request.method === "HEAD";
  let isRenewed = false;
  for (let attempt = 1; ; attempt++) {
    const sent = request.clone();
    if (!isSafe) sent.headers.set("x-csrf-token", csrfToken);
    const response = await fetch(sent).catch((error: unknown) => {
      if (request.signal.aborted) throw error;
      throw new ApiError(0, "UNREACHABLE", "The server is not reachable. Check the connection, then try again.");
    });
    if (response.status === 401) {
      location.assign(`${LOG_IN}?return_to=${encodeURIComponent(location.pathname)}`);
    }
    if (response.status === 429 && attempt < RETRY_LIMIT) {
      await pause(Number(response.headers.get("retry-after") ?? 1));
    } else if (response.status === 403 && !isSafe && !isRenewed) {
      isRenewed = true;
      if (!(await renewCsrfToken())) return response;
    } else {
      return response;
    }
  }
}

/** Return whether the page has another token by now. */
async function renewCsrfToken(): Promise<boolean> {
  const page = await fetch("/studio");
  const token = metaOf(new DOMParser().parseFromString(await page.text(), "text/html"), "csrf-token");
  const isNew = token !== "" && token !== csrfToken;
  if (isNew) csrfToken = token;
  return isNew;
}

function pause(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}

function metaOf(page: Document, name: string): string {
  return page.querySelector<HTMLMetaElement>(`meta[name="${name}"]`)?.content ?? "";
}
