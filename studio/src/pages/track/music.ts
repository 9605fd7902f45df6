/** What the analysis of a track says about its music, in the key that is heard. */

import { computed, type Signal, signal } from "@preact/signals";
import type { Analysis } from "../../api/client.ts";
import { gridOf } from "../../audio/bars.ts";
import { type ChordSegment, chordText } from "../../music/chords.ts";
import { transposedKey } from "../../music/keys.ts";

export class Music {
  readonly analysis = signal<Analysis | null>(null);
  /** For example `A minor`; empty if it is unknown. The user's own one wins over the detected one. */
  readonly key = signal("");
  /** Where the user lets bar 1 begin; null: where it is detected. */
  readonly barOneSeconds = signal<number | null>(null);
  /** Fret of the capo. Chords are then named by their shapes. */
  readonly capo = signal(0);
  readonly grid = computed(() =>
    gridOf(this.analysis.value?.beats ?? [], this.analysis.value?.bars?.downbeats, this.barOneSeconds.value),
  );
  readonly chords = computed<readonly ChordSegment[]>(() => this.analysis.value?.chords?.segments ?? []);
  readonly sections = computed(() => this.analysis.value?.sections?.segments ?? []);
  /** The notes, by stem. */
  readonly parts = computed(() => this.analysis.value?.notes?.parts ?? []);
  readonly heardKey = computed(() => transposedKey(this.key.value, this.semitones.value));
  readonly semitones: Signal<number>;

  constructor(semitones: Signal<number>) {
    this.semitones = semitones;
  }

  /** Return what to play for a chord of the recording. */
  chordText(label: string): string {
    return chordText(label, this.key.value, Math.round(this.semitones.value) - this.capo.value);
  }
}
