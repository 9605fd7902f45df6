/** What a player loads from the server, and what it keeps in the browser. */

import { type Corrections, getBytes, type LiveStems, type Stem, type Stems } from "../../api/client.ts";
import type { LiveFeed } from "../../api/live.ts";
import type { Lane } from "../../audio/mix.ts";
import type { LaneSource } from "../../audio/segments.ts";
import type { Range } from "../../audio/timeline.ts";

/** A part of the track to come back to. */
export interface NamedLoop extends Range {
  readonly name: string;
}

/** The settings that survive a reload. */
export interface Saved {
  /** Where playback stood. */
  readonly seconds: number;
  readonly lanes: Record<string, Lane>;
  readonly master: number;
  readonly speed: number;
  readonly semitones: number;
  readonly loop: Range | null;
  readonly loops: readonly NamedLoop[];
  readonly metronome: boolean;
  readonly countIn: boolean;
  readonly corrections: Corrections;
  readonly capo: number;
}

/** Return what was saved for a track; nothing if it is not readable. */
export function savedOf(trackId: string): Partial<Saved> {
  try {
    return JSON.parse(localStorage.getItem(keyOf(trackId)) ?? "{}") as Partial<Saved>;
  } catch {
    return {};
  }
}

export function save(trackId: string, changed: Partial<Saved>): void {
  localStorage.setItem(keyOf(trackId), JSON.stringify({ ...savedOf(trackId), ...changed }));
}

function keyOf(trackId: string): string {
  return `soundwright.mixer.${trackId}`;
}

/** A stem that may have one segment in a file, as those of the demo song, or be shared by a link, or heard while it is made. */
export interface PlayedStem extends Stem {
  /** The path of its segments and waveform, if it is not the usual one. */
  readonly base?: string;
  readonly files?: { readonly audio: string; readonly waveform: string };
  readonly live?: { readonly feed: LiveFeed; readonly attempt: number };
}

/** Return the stems of a separation that runs, as those of one that has ended. */
export function liveStems(trackId: string, feed: LiveFeed, found: LiveStems): Stems {
  const shape = {
    file_path: "",
    file_size: 0,
    content_type: "audio/flac",
    source: "local",
    track_id: trackId,
    processing_job_id: feed.jobId,
    download_url: "",
    duration_seconds: (found.frame_count ?? 0) / (found.sample_rate_hz ?? 1),
    sample_rate_hz: found.sample_rate_hz ?? 1,
    channel_count: found.channel_count ?? 1,
    frame_count: found.frame_count ?? 0,
    segment_frame_count: found.segment_frame_count ?? 1,
    segment_count: found.segment_count ?? 0,
    peak: 1,
    live: { feed, attempt: found.attempt },
  } as const;
  return { mix: null, stems: found.stems.map((stem): PlayedStem => ({ ...shape, ...stem })), separations: [] };
}

/** The most that a recording that is decoded as a whole may last. */
const WHOLE_SECONDS = 15 * 60;

/** Return a recording without stems as a separation with one lane; null if it has no audio, or is too long to decode. */
export function wholeStems(
  trackId: string,
  seconds: number,
  frameCount: number,
  audio: string | null,
  waveform: string,
): Stems | null {
  if (!audio || !frameCount || !seconds || seconds > WHOLE_SECONDS) return null;
  const whole: PlayedStem = {
    id: `recording ${trackId}`,
    stem_type: "mix",
    file_path: audio,
    file_size: 0,
    content_type: "",
    source: "local",
    track_id: trackId,
    processing_job_id: "",
    download_url: "",
    duration_seconds: seconds,
    sample_rate_hz: Math.round(frameCount / seconds),
    channel_count: 2,
    frame_count: frameCount,
    segment_frame_count: frameCount,
    segment_count: 1,
    peak: 1,
    files: { audio, waveform },
  };
  return { mix: null, stems: [whole], separations: [] };
}

function baseOf(stem: PlayedStem): string {
  return stem.base ?? `/api/stems/${stem.id}`;
}

export function waveformOf(stem: PlayedStem): string {
  return stem.files?.waveform ?? `${baseOf(stem)}/waveform`;
}

export function liveWaveformOf(stem: PlayedStem): string {
  return `/api/jobs/${stem.processing_job_id}/live/${stem.stem_type}/waveform`;
}

/** Return the audio of a stem. */
export function sourceOf(stem: PlayedStem, decoder: BaseAudioContext): LaneSource {
  return {
    id: stem.id,
    channelCount: Math.min(2, stem.channel_count),
    async load(index, signal) {
      if (stem.live) {
        const { feed, attempt } = stem.live;
        await feed.until(index, signal);
        const path = `/api/jobs/${feed.jobId}/live/${stem.stem_type}/segments/${index}?attempt=${attempt}`;
        return decoder.decodeAudioData(await getBytes(path, signal));
      }
      const bytes = await getBytes(stem.files?.audio ?? `${baseOf(stem)}/segments/${index}`, signal);
      return decoder.decodeAudioData(bytes);
    },
  };
}
