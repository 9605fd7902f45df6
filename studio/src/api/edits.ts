/**
 * Edits and deletions of tracks, the latest of which can be undone.
 *
 * Deleted tracks are hidden at once. The server deletes them when the time to undo is over, the notice is closed, another change
 * follows, the page is left, or an upload needs their space. If a request fails, its track stays, and is shown again.
 */

import { forgetOffline } from "./offline.ts";
import { signal } from "@preact/signals";
import { api, type Corrections, dataOf, getFile, type Track } from "./client.ts";
import { ApiError } from "./errors.ts";
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
/** How far a change of many tracks is, which the rate limit lets take minutes. Empty: none is on its way. */
export const underway = signal("");
/** Tracks that are deleted, or will be. */
export const deleted = signal<ReadonlySet<string>>(new Set());

/** With more tracks than this, a change shows its progress, and the page asks before it is left. */
const MANY = 20;
/** Browsers let 64 KiB of all requests together outlive a page. A character has up to 3 bytes. */
const KEEPALIVE_LENGTH = 10_000;

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
    const headers = { "x-csrf-token": currentCsrfToken() };
    for (const id of unsent) void fetch(`/api/tracks/${id}`, { method: "DELETE", keepalive: true, headers });
  });
  addEventListener("beforeunload", (event) => {
    if (underway.value || unsent.size > MANY) event.preventDefault();
  });
}

export function deleteTracks(tracks: readonly Track[]): void {
  const ids = tracks.map(({ id }) => id);
  for (const id of ids) unsent.add(id);
  deleted.value = new Set([...deleted.value, ...ids]);
  offer({
    text: `${namesOf(tracks)} deleted.`,
    undo: async () => restore(ids),
    finish: () => forEach("Deleting", ids, sendDeletion),
  });
}

/** Change tracks, each as `edit` says. Tracks before the one that the server refuses stay changed. */
export async function editTracks(tracks: readonly Track[], edit: (track: Track) => Edit): Promise<void> {
  const done: [Track, Edit][] = [];
  const changed: Track[] = [];
  try {
    await forEach("Changing", tracks, async (track) => {
      const wanted = edit(track);
      changed.push(await send(track.id, wanted));
      done.push([track, wanted]);
    });
  } finally {
    tell(changed);
    if (done.length > 0) {
      const undo = async () => {
        const undone: Track[] = [];
        await forEach("Undoing", done, async ([track, wanted]) => {
          undone.push(await send(track.id, before(track, wanted)));
        }).finally(() => tell(undone));
      };
      offer({ text: `${namesOf(done.map(([track]) => track))} changed.`, undo });
    }
  }
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

/** Do something with one track after another. */
async function forEach<T>(doing: string, items: readonly T[], act: (item: T) => Promise<void>): Promise<void> {
  try {
    for (const [done, item] of items.entries()) {
      if (items.length > MANY) underway.value = `${doing}: ${done} of ${items.length} tracks. Keep this page open.`;
      await act(item);
    }
  } finally {
    if (items.length > MANY) underway.value = "";
  }
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

async function sendDeletion(id: string): Promise<void> {
  try {
    await bodyOf(api.DELETE("/api/tracks/{track_id}", { params: { path: { track_id: id } } })).catch(unlessGone);
    unsent.delete(id);
    await forgetOffline(id);
  } catch (error) {
    restore([id]);
    latest.value ??= { text: `A track was not deleted. ${(error as Error).message}`, undo: null };
  }
}

/** Throw an error, unless it says that the track was deleted elsewhere. */
function unlessGone(error: unknown): void {
  if (!(error instanceof ApiError && error.code === "TRACK_NOT_FOUND")) throw error;
}

function send(id: string, body: Edit): Promise<Track> {
  const keepalive = JSON.stringify(body).length < KEEPALIVE_LENGTH; // the edit is stored although the page is left
  return dataOf(api.PATCH("/api/tracks/{track_id}", { params: { path: { track_id: id } }, body, keepalive }));
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
