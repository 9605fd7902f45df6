/** What the analysis of a track says about its music, in the key that is heard. */

import { computed, type Signal, signal } from "@preact/signals";
import type { Analysis, Corrections } from "../../api/client.ts";
import { gridOf } from "../../audio/bars.ts";
import { type ChordSegment, chordText, correctedChords } from "../../music/chords.ts";
import { transposedKey } from "../../music/keys.ts";
import { melodyOf } from "../../music/melody.ts";
import { type LyricLine, linesOf, lrcText } from "../../music/lrc.ts";

export const NO_CORRECTIONS: Corrections = { bar_one_seconds: null, chords: [], lyrics: null };

export class Music {
  readonly analysis = signal<Analysis | null>(null);
  /** For example `A minor`; empty if it is unknown. The user's own one wins over the detected one. */
  readonly key = signal("");
  readonly corrections = signal<Corrections>(NO_CORRECTIONS);
  /** Stores corrections; null: they stay in this browser. */
  store: ((corrections: Corrections) => Promise<unknown>) | null = null;
  /** Fret of the capo. Chords are then named by their shapes. */
  readonly capo = signal(0);
  readonly grid = computed(() =>
    gridOf(
      this.analysis.value?.beats ?? [],
      this.analysis.value?.bars?.downbeats,
      this.corrections.value.bar_one_seconds,
    ),
  );
  readonly chords = computed<readonly ChordSegment[]>(() => {
    const detected = this.analysis.value?.chords?.segments ?? [];
    return detected.length > 0 ? correctedChords(detected, this.corrections.value.chords) : [];
  });
  readonly sections = computed(() => this.analysis.value?.sections?.segments ?? []);
  /** The user's own ones, or else those that were detected. */
  readonly lyrics = computed<readonly LyricLine[]>(() => {
    const { lyrics } = this.corrections.value;
    return lyrics == null ? (this.analysis.value?.lyrics?.lines ?? []) : linesOf(lyrics);
  });
  /** The notes, by stem. */
  readonly parts = computed(() => {
    const { notes, piano_notes } = this.analysis.value ?? {};
    return [...(piano_notes?.parts ?? []), ...(notes?.parts ?? [])];
  });
  readonly melody = computed(() => {
    const found = this.analysis.value?.melody;
    return found ? melodyOf(found.frequency_hz, found.hop_seconds) : null;
  });
  readonly heardKey = computed(() => transposedKey(this.key.value, this.semitones.value));
  readonly semitones: Signal<number>;
  private stored: Promise<unknown> = Promise.resolve();
  private unstoredCount = 0;

  constructor(semitones: Signal<number>) {
    this.semitones = semitones;
  }

  /** Semitones from the chords of the recording to those that are played. */
  get shift(): number {
    return Math.round(this.semitones.value) - this.capo.value;
  }

  /** Return what to play for a chord of the recording. */
  chordText(label: string): string {
    return chordText(label, this.key.value, this.shift);
  }

  /** Return the chord of the recording for what is played. */
  labelOf(played: string): string {
    return chordText(played, transposedKey(this.key.value, this.shift), -this.shift);
  }

  /** Correct the chord between two times; null: as it is detected. */
  async correctChord(start: number, end: number, label: string | null): Promise<void> {
    const kept = this.corrections.value.chords.filter((one) => one.end_seconds <= start || one.start_seconds >= end);
    const added = label === null ? [] : [{ start_seconds: start, end_seconds: end, label }];
    await this.correct({ chords: [...kept, ...added] });
  }

  /** Replace the lyrics; null: as they are detected. */
  async correctLyrics(lines: readonly LyricLine[] | null): Promise<void> {
    await this.correct({ lyrics: lines && lrcText(lines) });
  }

  /** Move the bars by beats. */
  async moveBars(beats: number): Promise<void> {
    const grid = this.grid.value;
    const seconds = grid.beats[grid.first + beats];
    if (seconds !== undefined) await this.correct({ bar_one_seconds: seconds });
  }

  /** Change corrections, and store them after those before. If that fails, they stay as they were. */
  async correct(change: Partial<Corrections>): Promise<void> {
    const before = this.corrections.value;
    const wanted = { ...before, ...change };
    this.corrections.value = wanted;
    this.unstoredCount++;
    const storing = this.stored.then(() => this.store?.(wanted));
    this.stored = storing.catch(() => {});
    try {
      await storing;
    } catch (error) {
      if (this.corrections.value === wanted) this.corrections.value = before;
      throw error;
    } finally {
      this.unstoredCount--;
    }
  }

  /** Take corrections that the server has stored, unless newer ones are on their way. */
  takeStored(corrections: Corrections): void {
    if (this.unstoredCount <= 1) this.corrections.value = corrections;
  }
}
