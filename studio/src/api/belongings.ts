/** What the studio keeps in the browser for an account: settings of tracks, mixes, requests, and tracks that play offline. */

import { forgetAllOffline } from "./offline.ts";
import { accountId } from "./session.ts";

const PREFIX = "soundwright.";
/** Whose belongings they are. A guest who registers keeps the ID. */
const OWNER_KEY = "soundwright.owner";
/** Of the browser, whoever uses it. */
const PREFERENCES = new Set(["soundwright.analyse-new-tracks", "soundwright.player.volume"]);

/** Remove what another account has left, for example after a log-out. Called once. */
export async function startBelongings(): Promise<void> {
  const owner = localStorage.getItem(OWNER_KEY);
  if (owner && owner !== accountId) await forgetBelongings();
  if (accountId) localStorage.setItem(OWNER_KEY, accountId);
}

export async function forgetBelongings(): Promise<void> {
  for (const key of Object.keys(localStorage)) {
    if (key.startsWith(PREFIX) && !PREFERENCES.has(key)) localStorage.removeItem(key);
  }
  await forgetAllOffline();
}
