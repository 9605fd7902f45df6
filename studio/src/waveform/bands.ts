/** The layout of spectrograms, as `GET /api/stems/{id}/spectrogram/{tile}` documents it. Pure functions. */

import type { View } from "./view.ts";

export const BANDS = 64;
export const HOP_FRAMES = 2048;
export const TILE_PIXELS = 1024;
const MAX_COLUMNS = 1024;
const LOWEST_HZ = 30;
const HIGHEST_HZ = 16_000;

/** Return the largest power of two of columns that a pixel of `framesPerPixel` covers; at least 1. */
export function columnsPerPixel(framesPerPixel: number): number {
  let columns = 1;
  while (columns < MAX_COLUMNS && 2 * columns * HOP_FRAMES <= framesPerPixel) columns *= 2;
  return columns;
}

/** A tile and the frames that it covers. */
interface Tile {
  readonly index: number;
  readonly start: number;
  readonly end: number;
}

/** Return the tiles between the edges of the view. */
export function tilesIn(view: View, width: number, columns: number, frameCount: number): Tile[] {
  const frames = TILE_PIXELS * columns * HOP_FRAMES;
  const last = Math.min(frameCount - 1, view.start + width * view.framesPerPixel);
  const tiles: Tile[] = [];
  for (let index = Math.floor(view.start / frames); index * frames <= last; index++) {
    tiles.push({ index, start: index * frames, end: (index + 1) * frames });
  }
  return tiles;
}

/** Return the band of a frequency, with a fraction. */
export function bandOf(hertz: number): number {
  const mel = (value: number) => 2595 * Math.log10(1 + value / 700);
  return (BANDS * (mel(hertz) - mel(LOWEST_HZ))) / (mel(HIGHEST_HZ) - mel(LOWEST_HZ));
}
