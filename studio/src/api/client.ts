/** The typed client of the public API. It sends the session cookie, and the CSRF token of the page. */

import createClient from "openapi-fetch";
import { connectionLost } from "./connection.ts";
import { ApiError, isAway, refusal } from "./errors.ts";
import { places } from "./places.ts";
import { entered, sendWithToken } from "./session.ts";
import type { components, paths } from "./schema.d.ts";

export { ApiError, refusal };
export { account, accountId } from "./session.ts";
export type Track = components["schemas"]["Track"];
export type Job = components["schemas"]["JobSummary"];
export type Analysis = components["schemas"]["Analysis"];
export type Corrections = components["schemas"]["Corrections"];
export type SeparationModel = components["schemas"]["SeparationModel"];
export type SeparationPlan = components["schemas"]["SeparationPlan"];
export type Stem = components["schemas"]["Stem"];
export type Stems = components["schemas"]["Stems"];
export type LiveStems = components["schemas"]["LiveStems"];
export type Clip = components["schemas"]["Clip"];
export type ClipJob = components["schemas"]["ClipJob"];
export type GenerateBody = components["schemas"]["GenerateBody"];
export type Playlist = components["schemas"]["Playlist"];
export type Setlist = components["schemas"]["Setlist"];
export type SetlistWithTracks = components["schemas"]["SetlistWithTracks"];
export type Session = components["schemas"]["Session"];
export type Webhook = components["schemas"]["Webhook"];
export type Delivery = components["schemas"]["Delivery"];
export type TagSuggestions = components["schemas"]["TagSuggestions"];
export type PlaylistWithTracks = components["schemas"]["PlaylistWithTracks"];
export type User = components["schemas"]["User"];
export type OwnedJob = components["schemas"]["OwnedJob"];
export type AuditEntry = components["schemas"]["AuditEntry"];
export type PlatformModel = components["schemas"]["PlatformModel"];
export type AgentMessage = components["schemas"]["Message"];
export type Suggestion = components["schemas"]["Suggestion"];

const LOG_IN = "/users/log-in";
const RETRY_LIMIT = 3;
const LOGIN_SECONDS = 0.5; // of another tab, until its session is here

export const api = createClient<paths>({
  baseUrl: location.origin,
  fetch: (request) => places.send(() => send(request)),
});

/** Return the data of a response. Throw {@link ApiError} for a refusal. */
export async function dataOf<T>(
  pending: Promise<{ data?: { data: T } | undefined; error?: unknown; response: Response }>,
): Promise<T> {
  const { data, error, response } = await pending;
  if (data === undefined) throw refusal(response.status, error);
  return data.data;
}

/** Return a file as bytes. Files of the studio itself need no account. */
export async function getBytes(path: string, signal?: AbortSignal): Promise<ArrayBuffer> {
  const request = new Request(path, { signal: signal ?? null });
  const response = await (path.startsWith("/api/") ? send(request) : fetch(request));
  if (!response.ok) throw await refusalOf(response);
  return response.arrayBuffer();
}

/** Return a response as it is. Throw {@link ApiError} for a refusal. */
export async function getResponse(path: string, signal: AbortSignal): Promise<Response> {
  const response = await send(new Request(path, { signal }));
  if (!response.ok) throw await refusalOf(response);
  return response;
}

/** Return a file and the name that the server gives it. */
export async function getFile(path: string): Promise<{ blob: Blob; name: string }> {
  const response = await send(new Request(path));
  if (!response.ok) throw await refusalOf(response);
  const disposition = response.headers.get("content-disposition") ?? "";
  const { full, ascii } =
    /filename="(?<ascii>[^"]*)"(?:; filename\*=UTF-8''(?<full>.*))?/.exec(disposition)?.groups ?? {};
  return { blob: await response.blob(), name: full ? decodeURIComponent(full) : (ascii ?? "") };
}

/** Send a request. Waits as long as the rate limit asks, renews an expired CSRF token, and goes to the login page without a session. */
async function send(request: Request): Promise<Response> {
  await entered();
  const isSafe = request.method === "GET" || request.method === "HEAD";
  for (let attempt = 1; ; attempt++) {
    const response = await (isSafe ? fetchCopy(request) : sendWithToken((token) => fetchCopy(request, token)));
    if (response.status >= 502 && isAway(await refusalOf(response.clone()))) connectionLost();
    if (response.status === 401 && attempt === 1) {
      await pause(LOGIN_SECONDS); // a login replaces the session, also that of a request that is on its way
    } else if (
      response.status === 429 &&
      response.headers.get("x-ratelimit-remaining") === "0" &&
      attempt < RETRY_LIMIT
    ) {
      await pause(Number(response.headers.get("retry-after") ?? 1));
    } else {
      if (response.status === 401) location.assign(`${LOG_IN}?return_to=${encodeURIComponent(location.pathname)}`);
      return response;
    }
  }
}

function fetchCopy(request: Request, csrfToken = ""): Promise<Response> {
  const copy = request.clone();
  if (csrfToken) copy.headers.set("x-csrf-token", csrfToken);
  return fetch(copy).catch((error: unknown) => {
    if (request.signal.aborted) throw error;
    connectionLost();
    throw new ApiError(0, "UNREACHABLE", "The server is not reachable. Check the connection, then try again.");
  });
}

async function refusalOf(response: Response): Promise<ApiError> {
  return refusal(response.status, await response.json().catch(() => null));
}

function pause(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}
