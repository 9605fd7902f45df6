/** The pieces of one session of playback, planned as far ahead as needed. */

import { firstRun, nextRun, type Piece, piecesOf, positionAt, type Range, type Run } from "./timeline.ts";

interface Format {
  readonly frameCount: number;
  readonly segmentFrames: number;
}

/** Runs that ended are kept for the position that is heard, which lags behind what is planned. */
const KEPT_RUNS = 256;

export class Planner {
  readonly #format: Format;
  readonly #loop: Range | null;
  readonly #runs: Run[];
  readonly #coming: Piece[] = [];
  #last: Run;
  #isLast = false;

  constructor(position: number, format: Format, loop: Range | null) {
    this.#format = format;
    this.#loop = loop;
    this.#last = firstRun(position, format.frameCount, loop);
    this.#runs = [this.#last];
    this.#coming.push(...piecesOf(this.#last, format.segmentFrames));
  }

  /** The pieces that are planned and not scheduled, in order. */
  get coming(): readonly Piece[] {
    return this.#coming.slice(0, this.#soon);
  }

  get next(): Piece | undefined {
    return this.#coming[0];
  }

  /** Whether all pieces are scheduled and no other follows. */
  get ended(): boolean {
    return this.#isLast && this.#coming.length === 0;
  }

  /** Length of the planned playback in track frames. */
  get length(): number {
    return this.#last.output + this.#last.end - this.#last.start;
  }

  #soon = 1;

  /** Plan at least to `output`, in track frames since the start. */
  fill(output: number): void {
    while (!this.#isLast && this.length < output) {
      const run = nextRun(this.#last, this.#format.frameCount, this.#loop);
      if (run === null) {
        this.#isLast = true;
        break;
      }
      this.#last = run;
      this.#runs.push(run);
      if (this.#runs.length > KEPT_RUNS) this.#runs.shift();
      this.#coming.push(...piecesOf(run, this.#format.segmentFrames));
    }
    if (this.#loop === null) this.#isLast = true;
    const later = this.#coming.findIndex((piece) => piece.output >= output);
    this.#soon = later < 0 ? this.#coming.length : Math.max(1, later);
  }

  advance(): void {
    this.#coming.shift();
    this.#soon = Math.max(0, this.#soon - 1);
  }

  /** Return whether a segment is needed within `frames` of playback. */
  needsSoon(segment: number, frames: number): boolean {
    return this.#coming.some((piece) => piece.segment === segment && piece.output < frames);
  }

  positionAt(output: number): number {
    return positionAt(this.#runs, output);
  }

  /** Return the time of the context at which `output` sounds. At speed 1 it is a whole number of frames. */
  timeOf(output: number, origin: number, speed: number, sampleRateHz: number): number {
    return (origin + output / speed) / sampleRateHz;
  }
}
