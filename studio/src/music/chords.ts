/** Chords: their names in other keys, the shapes behind a capo, and corrections. */

import { moved, pitchClassOf, pitchNames, transposedKey } from "./keys.ts";

/** A chord and its place. */
export interface ChordSegment {
  readonly start_seconds: number;
  readonly end_seconds: number;
  /** As musicians write it, such as `F#m7` or `N.C.`. */
  readonly label: string;
}

/** Return the segments with corrections instead of what was there. A later correction wins. */
export function correctedChords(
  detected: readonly ChordSegment[],
  corrections: readonly ChordSegment[],
): readonly ChordSegment[] {
  return corrections.reduce<readonly ChordSegment[]>((segments, { start_seconds: start, end_seconds: end, label }) => {
    const before = segments
      .filter((one) => one.start_seconds < start)
      .map((one) => ({ ...one, end_seconds: Math.min(one.end_seconds, start) }));
    const after = segments
      .filter((one) => one.end_seconds > end)
      .map((one) => ({ ...one, start_seconds: Math.max(one.start_seconds, end) }));
    return [...before, { start_seconds: start, end_seconds: end, label }, ...after];
  }, detected);
}

/** Return a chord as it is called after a transposition, spelled as its key demands. */
export function chordText(label: string, key: string, semitones: number): string {
  const names = pitchNames(transposedKey(key, semitones));
  return label.replace(/(?<=^|\/)[A-G][#b]?/g, (name) => names[moved(pitchClassOf(name), semitones)] ?? name);
}

/** Return the pitch class of the root of a chord; -1 without a chord. */
export function rootOf(label: string): number {
  return pitchClassOf(/^[A-G][#b]?/.exec(label)?.[0] ?? "");
}

/** Return the index of the last segment that begins at or before `seconds`; -1 if there is none. */
export function segmentAt(segments: readonly { readonly start_seconds: number }[], seconds: number): number {
  let low = 0;
  let high = segments.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((segments[middle]?.start_seconds ?? 0) <= seconds) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** Chords that a guitar plays with open strings. */
const OPEN_SHAPES = /^(C|D|E|G|A)(7|maj7|add9|sus[24])?$|^(D|E|A)m7?$|^(B|F)7$|^Fmaj7$/;
export const HIGHEST_CAPO = 9;

/** Return the lowest fret for a capo with which most of the song has open chords. */
export function easiestCapo(segments: readonly ChordSegment[], semitones: number): number {
  const openSeconds = (fret: number) =>
    segments.reduce((sum, { label, start_seconds: start, end_seconds: end }) => {
      const shape = chordText(label, "", semitones - fret).replace(/\/.*/, "");
      return OPEN_SHAPES.test(shape) ? sum + end - start : sum;
    }, 0);
  const seconds = Array.from({ length: HIGHEST_CAPO + 1 }, (_, fret) => openSeconds(fret));
  return seconds.indexOf(Math.max(...seconds));
}
