/** Waveform peaks: the file that the server sends (BBC audiowaveform, version 2, 8 bits), and its coarser levels. */

const HEADER_BYTES = 24;
const FULL_SCALE = 128;

/** Peaks of one level: pairs of minimum and maximum, 128 is full scale. */
export interface Level {
  readonly framesPerPixel: number;
  readonly pairs: Int8Array;
}

/** Peaks at all levels of detail, the finest first. */
export type Pyramid = readonly Level[];

/** Read a file of peaks. Throws if it is not one. */
export function readPeaks(file: ArrayBuffer): Level {
  const header = new DataView(file, 0, HEADER_BYTES);
  const [version, flags, framesPerPixel, pixels] = [0, 4, 12, 16].map((at) => header.getInt32(at, true));
  if (version !== 2 || flags !== 1 || !framesPerPixel || pixels === undefined) {
    throw new Error("The server sent peaks in an unknown format. Reload the page.");
  }
  return { framesPerPixel, pairs: new Int8Array(file, HEADER_BYTES, 2 * pixels) };
}

const STEP = 4;

/** Return `level` and all coarser ones. Each has a quarter of the one before, so that all of them take little more than the finest. */
export function pyramidOf(level: Level): Pyramid {
  const levels = [level];
  for (let last = level; last.pairs.length > 2;) {
    last = coarser(last);
    levels.push(last);
  }
  return levels;
}

function coarser({ framesPerPixel, pairs }: Level): Level {
  const coarse = new Int8Array(2 * Math.ceil(pairs.length / 2 / STEP));
  for (let pixel = 0; pixel < coarse.length / 2; pixel++) {
    const from = pairs.subarray(2 * STEP * pixel, 2 * STEP * (pixel + 1));
    coarse[2 * pixel] = from.reduce((least, value) => Math.min(least, value), FULL_SCALE);
    coarse[2 * pixel + 1] = from.reduce((most, value) => Math.max(most, value), -FULL_SCALE);
  }
  return { framesPerPixel: STEP * framesPerPixel, pairs: coarse };
}

/** Return the coarsest level with at least one pair for each `framesPerPixel`. The finest one if there is none. */
export function levelFor(pyramid: Pyramid, framesPerPixel: number): Level | undefined {
  return pyramid.findLast((level) => level.framesPerPixel <= framesPerPixel) ?? pyramid[0];
}

/** Return the smallest and the largest sample of a range of frames, 1 is full scale. */
export function extremes(level: Level, start: number, end: number): readonly [number, number] {
  const first = Math.max(0, Math.floor(start / level.framesPerPixel));
  const last = Math.min(level.pairs.length / 2, Math.max(first + 1, Math.ceil(end / level.framesPerPixel)));
  let low = 0;
  let high = 0;
  for (let pixel = first; pixel < last; pixel++) {
    low = Math.min(low, level.pairs[2 * pixel] ?? 0);
    high = Math.max(high, level.pairs[2 * pixel + 1] ?? 0);
  }
  return [low / FULL_SCALE, high / FULL_SCALE];
}
