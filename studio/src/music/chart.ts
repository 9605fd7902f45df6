/** The chord sheet of a song: its chords in bars, and its bars in sections. Pure functions. */

import { barsOf, type Grid, nearestBeat } from "../audio/bars.ts";
import { type ChordSegment, segmentAt } from "./chords.ts";

export interface ChartChord {
  readonly label: string;
  readonly start_seconds: number;
  /** Beats from the beginning of the bar. */
  readonly beat: number;
  /** Whether the chord sounds already in the bar before. */
  readonly isHeld: boolean;
}

export interface ChartBar {
  readonly number: number | null;
  readonly beatCount: number;
  readonly start_seconds: number;
  readonly chords: readonly ChartChord[];
}

export interface ChartSection {
  readonly label: string;
  readonly start_seconds: number;
  readonly end_seconds: number;
  readonly bars: readonly ChartBar[];
}

/** Return the sections with their bars. Chords begin at the nearest beat; without beats, each chord has a bar. */
export function chartOf(
  grid: Grid,
  chords: readonly ChordSegment[],
  sections: readonly Omit<ChartSection, "bars">[],
): readonly ChartSection[] {
  const bars = grid.beats.length > 0 ? chartBars(grid, chords) : chords.map(barOfOne);
  if (sections.length === 0) {
    return [{ label: "", start_seconds: 0, end_seconds: chords.at(-1)?.end_seconds ?? 0, bars }];
  }
  const tolerance = ((grid.beats[1] ?? 0) - (grid.beats[0] ?? 0)) / 2;
  const all = sections.map((section) => ({ ...section, bars: [] as ChartBar[] }));
  for (const bar of bars) all[Math.max(0, segmentAt(sections, bar.start_seconds + tolerance))]?.bars.push(bar);
  return all.filter((section) => section.bars.length > 0);
}

/** Return the sections in blocks of at most `barCount` bars. Only the first block of a section has its label. */
export function blocksOf(sections: readonly ChartSection[], barCount: number): readonly ChartSection[] {
  return sections.flatMap((section) =>
    Array.from({ length: Math.ceil(section.bars.length / barCount) }, (_, block) => ({
      ...section,
      label: block === 0 ? section.label : "",
      bars: section.bars.slice(block * barCount, (block + 1) * barCount),
    })),
  );
}

function barOfOne({ label, start_seconds }: ChordSegment): ChartBar {
  return { number: null, beatCount: 1, start_seconds, chords: [{ label, start_seconds, beat: 0, isHeld: false }] };
}

function chartBars(grid: Grid, chords: readonly ChordSegment[]): readonly ChartBar[] {
  // Of chords that begin at the same beat, the last one goes on.
  const labels = new Map(chords.map(({ label, start_seconds: start }) => [nearestBeat(grid.beats, start), label]));
  let held = "";
  return barsOf(grid).map(({ number, start, end }) => {
    const found: ChartChord[] = [];
    for (let beat = Math.max(0, start); beat < Math.min(end, grid.beats.length); beat++) {
      const label = labels.get(beat);
      const isHeld = label === undefined || label === held;
      if (isHeld && (found.length > 0 || !held)) continue;
      held = label ?? held;
      found.push({ label: held, start_seconds: grid.beats[beat] ?? 0, beat: beat - start, isHeld });
    }
    return { number, beatCount: end - start, start_seconds: grid.beats[Math.max(0, start)] ?? 0, chords: found };
  });
}
