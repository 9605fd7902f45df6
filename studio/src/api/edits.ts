/**
 * Edits and deletions of tracks, the latest of which can be undone.
 *
 * Deleted tracks are hidden at once. The server deletes them when the time to undo is over, the notice is closed, another change
 * follows, the page is left, or an upload needs their space. If a request fails, its track stays, and is shown again.
 */

import { forgetOffline } from "./offline.ts";
import { signal } from "@preact/signals";
import { api, type Corrections, dataOf, getFile, type Track } from "./client.ts";
import { ApiError, refusal } from "./errors.ts";
import { bodyOf } from "./requests.ts";
import { currentCsrfToken } from "./session.ts";

const UNDO_MILLISECONDS = 20_000;

export interface Change {
  readonly text: string;
  /** Null: the change cannot be undone. */
  readonly undo: (() => Promise<unknown>) | null;
  /** Make the change final. */
  readonly finish?: () => Promise<unknown>;
}

/** Fields of a track. Omitted ones do not change, and empty ones are cleared. */
export type Edit = Partial<
  Record<"title" | "artist" | "key", string> & { bpm: number | null; corrections: Corrections | null }
>;

/** The latest change, until it is final. */
export const latest = signal<Change | null>(null);
/** How far a change of many tracks is, which needs several requests. Empty: none is on its way. */
export const underway = signal("");
/** Tracks that are deleted, or will be. */
export const deleted = signal<ReadonlySet<string>>(new Set());

/** The most tracks of a request. With more, a change shows its progress, and the page asks before it is left. */
const BATCH_LIMIT = 100;
/** Browsers let 64 KiB of all requests together outlive a page. A character has up to 3 bytes. */
const KEEPALIVE_LENGTH = 20_000;

/** What became of a track: the changed one, null if it is gone, or why it stays as it was. */
type Outcome = Track | Error | null;

type Listener = (changed: readonly Track[]) => void;

const listeners = new Set<Listener>();
const unsent = new Set<string>();
let timer: ReturnType<typeof setTimeout> | undefined;

/** Call `listener` with tracks that have changed. Return a function that stops this. */
export function onEdited(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Let deletions become final when the page is left. Called once. */
export function startEdits(): void {
  addEventListener("pagehide", () => {
    const headers = { "x-csrf-token": currentCsrfToken(), "content-type": "application/json" };
    for (const deletions of batchesOf([...unsent])) {
      void fetch("/api/tracks/batch", {
        method: "POST",
        keepalive: true,
        headers,
        body: JSON.stringify({ deletions }),
      });
    }
  });
  addEventListener("beforeunload", (event) => {
    if (underway.value) event.preventDefault();
  });
}

export function deleteTracks(tracks: readonly Track[]): void {
  const ids = tracks.map(({ id }) => id);
  for (const id of ids) unsent.add(id);
  deleted.value = new Set([...deleted.value, ...ids]);
  offer({
    text: `${namesOf(tracks)} deleted.`,
    undo: async () => restore(ids),
    finish: () => sendDeletions(tracks),
  });
}

/** Change tracks, each as `edit` says. Throws an error that names the tracks that the server refuses. The others are changed. */
export async function editTracks(tracks: readonly Track[], edit: (track: Track) => Edit): Promise<void> {
  const outcomes = await sendChanges("Changing", tracks, edit);
  const done = tracks.filter((_, at) => !(outcomes[at] instanceof Error));
  if (done.length > 0) {
    const undo = async () => {
      requireAll(done, await sendChanges("Undoing", done, (track) => before(track, edit(track))));
    };
    offer({ text: `${namesOf(done)} changed.`, undo });
  }
  requireAll(tracks, outcomes);
}

/** Make a picture the cover of a track. Without one, remove the cover. */
export async function changeCover(track: Track, picture: Blob | null): Promise<void> {
  const before = track.cover_path ? (await getFile(track.cover_path)).blob : null;
  const change = async (chosen: Blob | null) => {
    tell([await sendCover(track, chosen)]);
  };
  await change(picture);
  const text = `The cover of ${namesOf([track])} was ${picture ? "changed" : "removed"}.`;
  offer({ text, undo: () => change(before) });
}

export async function undoLatest(): Promise<void> {
  const change = latest.value;
  clearTimeout(timer);
  latest.value = null;
  try {
    await change?.undo?.();
  } catch (error) {
    latest.value = { text: `This cannot be undone. ${(error as Error).message}`, undo: null };
  }
}

export async function finishLatest(): Promise<void> {
  const change = latest.value;
  clearTimeout(timer);
  latest.value = null;
  await change?.finish?.();
}

/** Let deletions become final that can still be undone. Return whether there were any. */
export async function finishDeletions(): Promise<boolean> {
  if (unsent.size === 0) return false;
  await finishLatest();
  return true;
}

function tell(changed: readonly Track[]): void {
  for (const listener of listeners) listener(changed);
}

function offer(change: Change): void {
  void finishLatest();
  latest.value = change;
  timer = setTimeout(() => void finishLatest(), UNDO_MILLISECONDS);
}

function restore(ids: readonly string[]): void {
  for (const id of ids) unsent.delete(id);
  deleted.value = new Set([...deleted.value].filter((id) => !ids.includes(id)));
}

async function sendDeletions(tracks: readonly Track[]): Promise<void> {
  const ids = tracks.map(({ id }) => id);
  const outcomes = await sendAll("Deleting", ids, (deletions) => ({ deletions }));
  // Tracks that were deleted elsewhere are gone, too.
  const isKept = (outcome: Outcome | undefined) =>
    outcome instanceof Error && !(outcome instanceof ApiError && outcome.code === "TRACK_NOT_FOUND");
  const gone = ids.filter((_, at) => !isKept(outcomes[at]));
  restore(ids.filter((_, at) => isKept(outcomes[at])));
  for (const id of gone) unsent.delete(id);
  await Promise.all(gone.map(forgetOffline));
  const kept = outcomes.map((outcome) => (isKept(outcome) ? outcome : null));
  try {
    requireAll(tracks, kept);
  } catch (error) {
    latest.value ??= { text: `Not all tracks were deleted. ${(error as Error).message}`, undo: null };
  }
}

async function sendChanges(
  doing: string,
  tracks: readonly Track[],
  edit: (track: Track) => Edit,
): Promise<readonly Outcome[]> {
  const entries = tracks.map((track) => ({ track_id: track.id, ...edit(track) }));
  const outcomes = await sendAll(doing, entries, (changes) => ({ changes }));
  tell(outcomes.filter((outcome) => outcome !== null && !(outcome instanceof Error)) as Track[]);
  return outcomes;
}

/** Send one batch after another. Return what became of each entry. */
async function sendAll<T>(
  doing: string,
  entries: readonly T[],
  wrapped: (part: readonly T[]) => object,
): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const part of batchesOf(entries)) {
    if (entries.length > BATCH_LIMIT)
      underway.value = `${doing}: ${outcomes.length} of ${entries.length} tracks. Keep this page open.`;
    outcomes.push(...(await sendBatch(wrapped(part)).catch((error: Error) => part.map(() => error))));
  }
  if (entries.length > BATCH_LIMIT) underway.value = "";
  return outcomes;
}

async function sendBatch(body: object): Promise<Outcome[]> {
  const keepalive = JSON.stringify(body).length < KEEPALIVE_LENGTH; // the edit is stored although the page is left
  const { results } = await dataOf(api.POST("/api/tracks/batch", { body: body as never, keepalive }));
  return results.map(({ track, error, error_code: code, details }) =>
    error === null ? track : refusal(200, { message: error, code, details }),
  );
}

function batchesOf<T>(entries: readonly T[]): T[][] {
  const count = Math.ceil(entries.length / BATCH_LIMIT);
  return Array.from({ length: count }, (_, at) => entries.slice(at * BATCH_LIMIT, (at + 1) * BATCH_LIMIT));
}

/** Throw an error that says which tracks stay as they were, unless there are none. */
function requireAll(tracks: readonly Track[], outcomes: readonly Outcome[]): void {
  const [first, ...others] = tracks.filter((_, at) => outcomes[at] instanceof Error);
  const error = outcomes.find((outcome) => outcome instanceof Error);
  if (!first || !error) return;
  if (tracks.length === 1) throw error;
  const count = `${1 + others.length} of ${tracks.length} tracks`;
  throw new Error(
    `${count} ${others.length > 0 ? "stay as they were" : "stays as it was"}. “${first.title}”: ${error.message}`,
  );
}

async function sendCover(track: Track, picture: Blob | null): Promise<Track> {
  const params = { path: { track_id: track.id } };
  const path = "/api/tracks/{track_id}/cover";
  if (!picture) {
    await bodyOf(api.DELETE(path, { params }));
    return { ...track, cover_path: null };
  }
  const headers = { "content-type": picture.type || "application/octet-stream" };
  return dataOf(api.PUT(path, { params, headers, body: "", bodySerializer: () => picture }));
}

/** Return the edit that undoes `changed`. */
function before(track: Track, changed: Edit): Edit {
  const { title, artist, key, bpm, corrections } = track;
  const old: Edit = { title, artist: artist ?? "", key: key ?? "", bpm, corrections };
  return Object.fromEntries(Object.entries(old).filter(([name]) => name in changed));
}

function namesOf(tracks: readonly Track[]): string {
  const [first] = tracks;
  return tracks.length === 1 && first ? `“${first.title}”` : `${tracks.length} tracks`;
}
