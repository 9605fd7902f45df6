/** Tracks that play without a server: the studio keeps their stems in the browser, and the service worker answers from there. */

import { signal } from "@preact/signals";
import { getResponse, type Stems, type Track } from "./client.ts";

/** A track that is kept. */
export interface Kept {
  readonly id: string;
  readonly title: string;
  readonly separationId: string;
  readonly bytes: number;
  /** Whether all of it is there. A page that was left while it kept a track leaves a part. */
  readonly isComplete: boolean;
}

/** The most that all kept tracks take together. */
export const LIMIT_BYTES = 2 ** 30;

const KEY = "soundwright.offline";
const LOADS_AT_ONCE = 4;

export const isSupported = "caches" in globalThis && "serviceWorker" in navigator;
export const kept = signal<readonly Kept[]>(stored());

/** Return whether a track plays without a server. */
export function isKept(trackId: string): boolean {
  return kept.value.some((each) => each.id === trackId && each.isComplete);
}

/** Return what a separated track takes, as far as it is known before. */
export function bytesOf({ stems, mix }: Stems): number {
  return [...stems, ...(mix ? [mix] : [])].reduce((sum, stem) => sum + stem.file_size, 0);
}

/**
 * Keep a track with the stems of a separation. Throw an error whose message says what to do.
 *
 * @param report is called with the share that is kept, from 0 to 1.
 */
export async function keepOffline(
  track: Track,
  stems: Stems,
  report: (share: number) => void,
  aborted: AbortSignal,
): Promise<void> {
  await forgetOffline(track.id);
  const used = kept.value.reduce((sum, { bytes }) => sum + bytes, 0);
  if (used + bytesOf(stems) > LIMIT_BYTES) {
    throw new Error("The tracks kept offline would take more than 1 GB. Remove another one first.");
  }
  const waiting = pathsOf(track, stems);
  const count = waiting.length;
  const entry = (size: number, isComplete: boolean): Kept => {
    const separationId = stems.stems[0]?.processing_job_id ?? "";
    return { id: track.id, title: track.title, separationId, bytes: size, isComplete };
  };
  const others = kept.value;
  write([...others, entry(bytesOf(stems), false)]);
  let bytes = 0;
  try {
    const cache = await caches.open(cacheOf(track.id));
    const load = async () => {
      for (let path = waiting.shift(); path; path = waiting.shift()) {
        aborted.throwIfAborted();
        const response = await getResponse(path, aborted);
        bytes += (await response.clone().blob()).size;
        if (used + bytes > LIMIT_BYTES) {
          throw new Error("The tracks kept offline would take more than 1 GB. Remove another one first.");
        }
        await cache.put(path, response);
        report((count - waiting.length) / count);
      }
    };
    await Promise.all(Array.from({ length: LOADS_AT_ONCE }, load));
  } catch (error) {
    waiting.length = 0;
    await forgetOffline(track.id);
    if (error instanceof DOMException && error.name === "QuotaExceededError") {
      throw new Error("The browser has no room for this track. Free some, or remove another track kept offline.", {
        cause: error,
      });
    }
    throw error;
  }
  write([...others, entry(bytes, true)]);
}

/** Remove what is kept of a track. */
export async function forgetOffline(trackId: string): Promise<void> {
  if (!isSupported) return;
  await caches.delete(cacheOf(trackId));
  write(kept.value.filter(({ id }) => id !== trackId));
}

/** Remove what is kept of all tracks. */
export async function forgetAllOffline(): Promise<void> {
  if (!isSupported) return;
  for (const name of await caches.keys()) if (name.startsWith(cacheOf(""))) await caches.delete(name);
  localStorage.removeItem(KEY);
  kept.value = [];
}

function pathsOf(track: Track, { stems, mix }: Stems): string[] {
  const id = track.id;
  const paths = [`/api/tracks/${id}`, `/api/tracks/${id}/stems`];
  if (track.status === "analyzed") paths.push(`/api/analysis/${id}`);
  if (track.cover_path) paths.push(track.cover_path);
  for (const stem of [...stems, ...(mix ? [mix] : [])]) {
    paths.push(`/api/stems/${stem.id}/waveform`);
    for (let index = 0; index < stem.segment_count; index++) paths.push(`/api/stems/${stem.id}/segments/${index}`);
  }
  return paths;
}

function cacheOf(trackId: string): string {
  return `offline ${trackId}`;
}

function stored(): readonly Kept[] {
  try {
    return (JSON.parse(localStorage.getItem(KEY) ?? "") as { tracks: Kept[] }).tracks;
  } catch {
    return [];
  }
}

function write(tracks: readonly Kept[]): void {
  localStorage.setItem(KEY, JSON.stringify({ tracks }));
  kept.value = tracks;
}
