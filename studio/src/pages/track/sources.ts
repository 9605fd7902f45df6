/** What a player loads from the server, and what it keeps in the browser. */

import { getBytes, type Stem } from "../../api/client.ts";
import type { Lane } from "../../audio/mix.ts";
import type { LaneSource } from "../../audio/segments.ts";
import type { Range } from "../../audio/timeline.ts";

/** A part of the track to come back to. */
export interface NamedLoop extends Range {
  readonly name: string;
}

/** The settings that survive a reload. */
export interface Saved {
  readonly lanes: Record<string, Lane>;
  readonly master: number;
  readonly speed: number;
  readonly semitones: number;
  readonly loop: Range | null;
  readonly loops: readonly NamedLoop[];
  readonly metronome: boolean;
  readonly countIn: boolean;
  readonly firstDownbeat: number;
}

/** Return what was saved for a track; nothing if it is not readable. */
export function savedOf(trackId: string): Partial<Saved> {
  try {
    return JSON.parse(localStorage.getItem(keyOf(trackId)) ?? "{}") as Partial<Saved>;
  } catch {
    return {};
  }
}

export function save(trackId: string, saved: Saved): void {
  localStorage.setItem(keyOf(trackId), JSON.stringify(saved));
}

function keyOf(trackId: string): string {
  return `soundwright.mixer.${trackId}`;
}

/** A stem whose files may be built into the studio, with one segment. */
export interface PlayedStem extends Stem {
  readonly files?: { readonly audio: string; readonly waveform: string };
}

export function waveformOf(stem: PlayedStem): string {
  return stem.files?.waveform ?? `/api/stems/${stem.id}/waveform`;
}

/** Return the audio of a stem. */
export function sourceOf(stem: PlayedStem, decoder: BaseAudioContext): LaneSource {
  return {
    id: stem.id,
    channelCount: Math.min(2, stem.channel_count),
    async load(index, signal) {
      const bytes = await getBytes(stem.files?.audio ?? `/api/stems/${stem.id}/segments/${index}`, signal);
      return decoder.decodeAudioData(bytes);
    },
  };
}
