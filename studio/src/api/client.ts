/** The typed client of the public API. It sends the session cookie, and the CSRF token of the page. */

import createClient from "openapi-fetch";
import type { components, paths } from "./schema.d.ts";

export type Track = components["schemas"]["Track"];
export type Job = components["schemas"]["JobSummary"];
export type Analysis = components["schemas"]["Analysis"];
export type SeparationModel = components["schemas"]["SeparationModel"];
export type Stem = components["schemas"]["Stem"];
export type Stems = components["schemas"]["Stems"];

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

const LOG_IN = "/users/log-in";
const RETRY_LIMIT = 3;

let csrfToken = metaOf(document, "csrf-token");

/** The email address of the account that is logged in. */
export const account = metaOf(document, "account");

export const api = createClient<paths>({ baseUrl: location.origin, fetch: send });

/** Return the data of a response. Throw {@link ApiError} for a refusal. */
export async function dataOf<T>(
  pending: Promise<{ data?: { data: T } | undefined; error?: unknown; response: Response }>,
): Promise<T> {
  const { data, error, response } = await pending;
  if (data === undefined) throw refusal(response.status, error);
  return data.data;
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
  const { code, message, details } = (body ?? {}) as { code?: string; message?: string; details?: object };
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
    } else if (response.status === 403 && !isSafe && !isRenewed && (await isExpired(response))) {
      isRenewed = true;
      await renewCsrfToken();
    } else {
      return response;
    }
  }
}

async function isExpired(response: Response): Promise<boolean> {
  const body = await response
    .clone()
    .json()
    .catch(() => null);
  return body?.code === "CSRF_INVALID";
}

async function renewCsrfToken(): Promise<void> {
  const page = await fetch("/studio");
  csrfToken = metaOf(new DOMParser().parseFromString(await page.text(), "text/html"), "csrf-token") || csrfToken;
}

function pause(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}

function metaOf(page: Document, name: string): string {
  return page.querySelector<HTMLMetaElement>(`meta[name="${name}"]`)?.content ?? "";
}
