/** The session of the browser: its CSRF token, and its account. A visitor without an account becomes a guest with the first request. */

import { ApiError, refusal } from "./errors.ts";

let csrfToken = metaOf(document, "csrf-token");
let isOutside = metaOf(document, "guests") === "allowed";
let entering: Promise<void> | null = null;
let renewing: Promise<void> | null = null;

/** The email address of the account. Empty: the visitor is a guest, or becomes one. */
export const account = metaOf(document, "account");

/** Whether the account may use the administration. The server decides about each request. */
export const isAdministrator = metaOf(document, "administrator") === "true";

/** Whether the service worker has made the page, because the server is away. */
export const isOffline = metaOf(document, "offline") === "true";

/** What the page before this one had to say, for example after a login. */
export const flash = metaOf(document, "flash");

/** The ID of that account. Empty before the visitor has become a guest. */
export let accountId = metaOf(document, "account-id");

/** Return the CSRF token for a request. */
export function currentCsrfToken(): string {
  return csrfToken;
}

/** Wait until the browser has an account. Throw {@link ApiError} if the server creates none. */
export async function entered(): Promise<void> {
  if (!isOutside) return;
  entering ??= enter().finally(() => {
    entering = null;
  });
  await entering;
}

/** Send a request that needs the CSRF token. Renew an expired token and send the request once more. */
export async function sendWithToken<R extends { readonly status: number }>(
  send: (token: string) => Promise<R>,
): Promise<R> {
  if (isOffline) await renewCsrfToken(""); // a page that the server did not make has no token
  await entered();
  const token = csrfToken;
  const response = await send(token);
  return response.status === 403 && (await renewCsrfToken(token)) ? send(csrfToken) : response;
}

/** Load the CSRF token of the current session, unless it is another one than `refused` by now. Return whether it is. */
export async function renewCsrfToken(refused: string): Promise<boolean> {
  if (csrfToken === refused) {
    renewing ??= renew()
      .catch(() => {}) // without a connection, the token remains
      .finally(() => {
        renewing = null;
      });
    await renewing;
  }
  return csrfToken !== refused;
}

async function renew(): Promise<void> {
  const page = new DOMParser().parseFromString(await (await fetch("/studio")).text(), "text/html");
  csrfToken = metaOf(page, "csrf-token") || csrfToken;
  accountId = metaOf(page, "account-id");
  isOutside = metaOf(page, "guests") === "allowed";
}

async function enter(): Promise<void> {
  const request = { method: "POST", headers: { "x-csrf-token": csrfToken } };
  const response = await fetch("/api/users/guest", request).catch(() => {
    throw new ApiError(0, "UNREACHABLE", "The server is not reachable. Check the connection, then try again.");
  });
  const body = await response.json().catch(() => null);
  if (response.ok) {
    csrfToken = body.data.csrf_token;
    accountId = body.data.id;
    isOutside = false;
    return;
  }
  const error = refusal(response.status, body);
  // Another tab has created the account in the meantime.
  if (error.code === "CSRF_INVALID") await renewCsrfToken(csrfToken);
  if (isOutside) throw error;
}

function metaOf(page: Document, name: string): string {
  return page.querySelector<HTMLMetaElement>(`meta[name="${name}"]`)?.content ?? "";
}
