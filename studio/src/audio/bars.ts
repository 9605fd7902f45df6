/** The beats of a track, and the bars that they make. Pure functions. */

const USUAL_BEATS_PER_BAR = 4;

export interface Grid {
  /** Times of the beats in seconds. */
  readonly beats: readonly number[];
  /** Indices of the beats at which bars begin, ascending. Bars before and after them have `beatsPerBar` beats. */
  readonly bars: readonly number[];
  readonly beatsPerBar: number;
  /** Index of the beat at which bar 1 begins. */
  readonly first: number;
}

export const NO_GRID: Grid = { beats: [], bars: [], beatsPerBar: USUAL_BEATS_PER_BAR, first: 0 };

/** Return the bars that begin at `downbeats`; if there are none, bars of four. `barOneSeconds` moves them, so that bar 1 begins there. */
export function gridOf(
  beats: readonly number[],
  downbeats: readonly number[] = [],
  barOneSeconds: number | null = null,
): Grid {
  if (beats.length === 0) return NO_GRID;
  const found = new Set(downbeats.map((seconds) => nearestBeat(beats, seconds)));
  const bars = [...(found.size > 0 ? found : [0])].sort((a, b) => a - b);
  const lengths = bars.slice(1).map((beat, bar) => beat - (bars[bar] ?? 0));
  const beatsPerBar = lengths.sort((a, b) => a - b)[lengths.length >> 1] ?? USUAL_BEATS_PER_BAR;
  const grid = { beats, bars, beatsPerBar, first: bars[0] ?? 0 };
  if (barOneSeconds === null) return grid;
  const first = nearestBeat(beats, barOneSeconds);
  const shift = first - barStart(grid, first);
  return { ...grid, bars: bars.map((beat) => beat + shift), first };
}

/** Return the index of the first beat at or after `seconds`. */
export function firstBeatFrom(beats: readonly number[], seconds: number): number {
  let low = 0;
  let high = beats.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((beats[middle] ?? 0) < seconds) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Return the index of the beat that is nearest to `seconds`. */
export function nearestBeat(beats: readonly number[], seconds: number): number {
  const after = firstBeatFrom(beats, seconds);
  const gap = (beat: number) => Math.abs((beats[beat] ?? Number.POSITIVE_INFINITY) - seconds);
  return after > 0 && gap(after - 1) <= gap(after) ? after - 1 : after;
}

/** Return the time between beats around `seconds`: the median of the nearest eight, 0.5 s if there are too few beats. */
export function beatSeconds(beats: readonly number[], seconds: number): number {
  const middle = firstBeatFrom(beats, seconds);
  const first = Math.max(0, Math.min(middle - 4, beats.length - 9));
  const near = beats.slice(first, first + 9);
  const gaps = near.slice(1).map((beat, index) => beat - (near[index] ?? 0));
  return gaps.sort((a, b) => a - b)[gaps.length >> 1] ?? 0.5;
}

/** Return the index of the beat at which the bar of a beat begins. It is negative if the bar began before the first beat. */
export function barStart({ bars, beatsPerBar }: Grid, beat: number): number {
  const after = firstBeatFrom(bars, beat + 1);
  const start = bars[Math.max(0, after - 1)] ?? 0;
  return after > 0 && after < bars.length ? start : start + Math.floor((beat - start) / beatsPerBar) * beatsPerBar;
}

/** Return the index of the beat after the bar that begins at `start`. */
function barEnd({ bars, beatsPerBar }: Grid, start: number): number {
  const next = bars[firstBeatFrom(bars, start + 1)];
  return start < (bars[0] ?? 0) || next === undefined ? start + beatsPerBar : next;
}

export function isDownbeat(grid: Grid, beat: number): boolean {
  return barStart(grid, beat) === beat;
}

/** Return the bar around a time, in seconds; null if there are not enough beats. */
export function barAround(seconds: number, grid: Grid): { start: number; end: number } | null {
  const { beats } = grid;
  const first = barStart(grid, firstBeatFrom(beats, seconds + 1e-6) - 1);
  const [start, end] = [beats[Math.max(0, first)], beats[barEnd(grid, first)] ?? beats.at(-1)];
  return start !== undefined && end !== undefined && start < end ? { start, end } : null;
}

export interface Bar {
  /** Null before bar 1. */
  readonly number: number | null;
  /** Indices of its first beat, and of the one after its last. */
  readonly start: number;
  readonly end: number;
}

/** Return all bars, the first of which may begin before the first beat. */
export function barsOf(grid: Grid): readonly Bar[] {
  const all: Bar[] = [];
  let number = 0;
  for (let start = barStart(grid, 0); start < grid.beats.length; start = barEnd(grid, start)) {
    if (start >= grid.first) number++;
    all.push({ number: number || null, start, end: barEnd(grid, start) });
  }
  return all;
}
