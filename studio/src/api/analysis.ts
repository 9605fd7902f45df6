/** Starts analyses: on request, and of new tracks if the user wants that. */

import { signal } from "@preact/signals";
import { type Analysis, api, ApiError, dataOf } from "./client.ts";
import { followJob, onJobFinished } from "./jobs.ts";

const KEY = "soundwright.analyse-new-tracks";

/** Whether new tracks are analysed. A setting of this browser. */
export const analysesNewTracks = signal(localStorage.getItem(KEY) !== "no");

export function setAnalysesNewTracks(wanted: boolean): void {
  localStorage.setItem(KEY, wanted ? "yes" : "no");
  analysesNewTracks.value = wanted;
}

/** What the studio shows. Features whose models the server lacks are left out of the result. */
const FEATURES = "tempo key energy chroma chords bars sections notes melody vocal_activity".split(" ");

/** Return the features that an analysis has, and those that nobody has asked for. */
export function featuresOf(analysis: Analysis): { measured: readonly string[]; missing: readonly string[] } {
  const isUnavailable = (name: string) => analysis.unavailable?.some(({ feature }) => feature === name);
  return {
    measured: FEATURES.filter((name) => name in analysis),
    missing: FEATURES.filter((name) => !(name in analysis) && !isUnavailable(name)),
  };
}

/** Start an analysis of all features, and follow it. Lyrics, and notes of a piano stem, take longer than all else. */
export function analyseAll(trackId: string, hasPiano = false): Promise<void> {
  return analyse(trackId, [...FEATURES, ...(hasPiano ? ["piano_notes"] : []), "lyrics"]);
}

/** Start an analysis of a track, and follow it. */
export function analyse(trackId: string, features: readonly string[]): Promise<void> {
  return start(trackId, features, {});
}

async function start(trackId: string, features: readonly string[], headers: Record<string, string>): Promise<void> {
  const body = { track_id: trackId, features };
  const { job_id } = await dataOf(api.POST("/api/analysis/analyze", { body: body as never, headers }));
  await followJob(job_id);
}

const queued: string[] = [];

/**
 * Analyse a new track once, whatever the number of open pages. If that fails, the page of the track has the button for it.
 * The lyrics are left out, because they are better read from its stems.
 *
 * One request follows another, because those of a folder of songs together would exceed the limits of an account.
 */
export function analyseNew(trackId: string): void {
  if (analysesNewTracks.value && queued.push(trackId) === 1) void analyseQueued();
}

async function analyseQueued(): Promise<void> {
  for (; queued[0]; queued.shift()) {
    await start(queued[0], FEATURES, { "idempotency-key": `new-track-${queued[0]}` }).catch((error: unknown) => {
      // The user has stopped waiting for a place.
      if (error instanceof ApiError && error.code === "TOO_MANY_PENDING") queued.length = 1;
    });
  }
}

/** Analyse downloads when they have ended. */
export function analyseDownloads(): void {
  onJobFinished((job) => {
    if (job.job_type === "download" && job.status === "completed" && job.track_id) analyseNew(job.track_id);
  });
}
