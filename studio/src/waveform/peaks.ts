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

/** Return `level` and all coarser ones. Each halves the one before. */
export function pyramidOf(level: Level): Pyramid {
  const levels = [level];
  for (let last = level; last.pairs.length > 2;) {
    last = halved(last);
    levels.push(last);
  }
  return levels;
}

function halved({ framesPerPixel, pairs }: Level): Level {
  const count = Math.ceil(pairs.length / 4);
  const half = new Int8Array(2 * count);
  for (let pixel = 0; pixel < count; pixel++) {
    const [low = 0, high = 0, nextLow = low, nextHigh = high] = pairs.subarray(4 * pixel, 4 * pixel + 4);
    half[2 * pixel] = Math.min(low, nextLow);
    half[2 * pixel + 1] = Math.max(high, nextHigh);
  }
  return { framesPerPixel: 2 * framesPerPixel, pairs: half };
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
