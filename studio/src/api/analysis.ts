/** Starts analyses: on request, and of new tracks if the user wants that. */

import { signal } from "@preact/signals";
import { api, dataOf } from "./client.ts";
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

/** Start an analysis of a track, and follow it. It reads the lyrics, too, which takes longer than all else. */
export function analyse(trackId: string): Promise<void> {
  return start(trackId, [...FEATURES, "lyrics"], {});
}

async function start(trackId: string, features: readonly string[], headers: Record<string, string>): Promise<void> {
  const body = { track_id: trackId, features };
  const { job_id } = await dataOf(api.POST("/api/analysis/analyze", { body: body as never, headers }));
  await followJob(job_id);
}

/** Analyse a new track once, without its lyrics, which are better read from its stems, whatever the number of open pages. If that fails, the page of the track has the button for it. */
export function analyseNew(trackId: string): void {
  if (!analysesNewTracks.value) return;
  start(trackId, FEATURES, { "idempotency-key": `new-track-${trackId}` }).catch(() => {});
}

/** Analyse downloads when they have ended. */
export function analyseDownloads(): void {
  onJobFinished((job) => {
    if (job.job_type === "download" && job.status === "completed" && job.track_id) analyseNew(job.track_id);
  });
}
