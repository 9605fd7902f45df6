/** The visible part of a track, and the marks of its ruler. Pure functions. */

import { barsOf, type Grid } from "../audio/bars.ts";

/** What part of a track is visible. */
export interface View {
  /** First visible frame. */
  readonly start: number;
  readonly framesPerPixel: number;
}

const MIN_FRAMES_PER_PIXEL = 4;

/** Return the view of the whole track. */
export function whole(frameCount: number, width: number): View {
  return { start: 0, framesPerPixel: Math.max(MIN_FRAMES_PER_PIXEL, frameCount / Math.max(1, width)) };
}

/** Return `view` within the track. */
export function bounded(view: View, frameCount: number, width: number): View {
  const widest = whole(frameCount, width).framesPerPixel;
  const framesPerPixel = Math.min(widest, Math.max(MIN_FRAMES_PER_PIXEL, view.framesPerPixel));
  const start = Math.max(0, Math.min(view.start, frameCount - width * framesPerPixel));
  return { start, framesPerPixel };
}

/** Zoom by `factor` (above 1: closer). The frame at `x` stays where it is. */
export function zoomed(view: View, factor: number, x: number, frameCount: number, width: number): View {
  const widest = whole(frameCount, width).framesPerPixel;
  const wanted = Math.min(widest, Math.max(MIN_FRAMES_PER_PIXEL, view.framesPerPixel / factor));
  const start = view.start + x * (view.framesPerPixel - wanted);
  return bounded({ start, framesPerPixel: wanted }, frameCount, width);
}

/** A line of the ruler. */
export interface Mark {
  readonly x: number;
  readonly text: string;
  readonly isMajor: boolean;
}

const STEPS_SECONDS = [0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600];
const MIN_GAP_PIXELS = 64;

/** Return the marks of time between the edges of the view. */
export function timeMarks(view: View, width: number, sampleRateHz: number): Mark[] {
  const pixelsPerSecond = sampleRateHz / view.framesPerPixel;
  const step = STEPS_SECONDS.find((seconds) => seconds * pixelsPerSecond >= MIN_GAP_PIXELS) ?? 7200;
  const first = Math.ceil(view.start / sampleRateHz / step);
  const count = Math.floor(width / (step * pixelsPerSecond)) + 1;
  return Array.from({ length: count }, (_, index) => {
    const seconds = (first + index) * step;
    const x = (seconds * sampleRateHz - view.start) / view.framesPerPixel;
    return { x, text: timeText(seconds, step < 1 ? 2 : 0), isMajor: true };
  }).filter((mark) => mark.x <= width);
}

const MIN_BEAT_PIXELS = 7;
const MIN_BAR_PIXELS = 28;

/** Return the marks of beats and numbered bars. Far away, only every second, fourth, ... bar is marked. */
export function beatMarks(view: View, width: number, sampleRateHz: number, grid: Grid): Mark[] {
  const { beats, beatsPerBar } = grid;
  if (beats.length < 2) return [];
  const pixel = (seconds: number) => (seconds * sampleRateHz - view.start) / view.framesPerPixel;
  const [first = 0, last = 0] = [beats[0], beats.at(-1)];
  const beatPixels = (pixel(last) - pixel(first)) / (beats.length - 1);
  let barStep = 1;
  while (beatPixels * beatsPerBar * barStep < MIN_BAR_PIXELS) barStep *= 2;
  const marks: Mark[] = [];
  for (const { number, start, end } of barsOf(grid)) {
    for (let beat = Math.max(0, start); beat < Math.min(end, beats.length); beat++) {
      const x = pixel(beats[beat] ?? 0);
      if (x < 0 || x > width) continue;
      const isBar = beat === start && number !== null;
      if (isBar && (number - 1) % barStep === 0) marks.push({ x, text: String(number), isMajor: true });
      else if (!isBar && beatPixels >= MIN_BEAT_PIXELS) marks.push({ x, text: "", isMajor: false });
    }
  }
  return marks;
}

/** Return a time as `m:ss` or `h:mm:ss`, with `digits` after the point. */
export function timeText(seconds: number, digits = 0): string {
  const scale = 10 ** digits;
  const total = Math.floor(Math.max(0, seconds) * scale + 1e-6) / scale;
  const hours = Math.floor(total / 3600);
  const minutes = Math.floor(total / 60) % 60;
  const rest = (total % 60).toFixed(digits).padStart(digits ? digits + 3 : 2, "0");
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}
