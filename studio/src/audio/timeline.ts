/** Plans playback in whole frames: which part of which segment sounds at which frame of the output. Pure functions. */

/** A range of frames of the track. `end` is exclusive. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** A contiguous part of the track. It begins `output` track frames after the start of playback; a loop makes several runs. */
export interface Run {
  readonly output: number;
  readonly start: number;
  readonly end: number;
}

/** A part of one segment. */
export interface Piece {
  readonly segment: number;
  /** First frame within the segment. */
  readonly offset: number;
  readonly frames: number;
  /** Distance from the start of playback in track frames. */
  readonly output: number;
}

/** Return the run that begins at `position`. The loop applies if the position lies before its end. */
export function firstRun(position: number, frameCount: number, loop: Range | null): Run {
  const looped = loop !== null && position < loop.end;
  return { output: 0, start: position, end: looped ? Math.min(loop.end, frameCount) : frameCount };
}

/** Return the run after `run`; null at the end of the track. */
export function nextRun(run: Run, frameCount: number, loop: Range | null): Run | null {
  if (loop === null || run.end !== Math.min(loop.end, frameCount)) return null;
  return { output: run.output + run.end - run.start, start: loop.start, end: run.end };
}

/** Yield the pieces of `run` in order, one for each segment that it touches. */
export function* piecesOf(run: Run, segmentFrames: number): Generator<Piece> {
  let position = run.start;
  while (position < run.end) {
    const segment = Math.floor(position / segmentFrames);
    const offset = position - segment * segmentFrames;
    const frames = Math.min(segmentFrames - offset, run.end - position);
    yield { segment, offset, frames, output: run.output + position - run.start };
    position += frames;
  }
}

/** Return the position in the track, in frames, after `output` frames of playback that consists of `runs`. */
export function positionAt(runs: readonly Run[], output: number): number {
  const run = runs.findLast((one) => one.output <= output) ?? runs[0];
  if (run === undefined) return 0;
  return Math.min(run.end, run.start + Math.max(0, output - run.output));
}
