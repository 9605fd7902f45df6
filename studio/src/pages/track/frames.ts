/** Followers of the position. They move without rendering the page again. */

import { useEffect, useRef, useState } from "preact/hooks";
import { segmentAt } from "../../music/chords.ts";

/** Call `draw` in every frame. */
export function useEachFrame(draw: () => void): void {
  const latest = useRef(draw);
  latest.current = draw;
  useEffect(() => {
    let frame = 0;
    const run = () => {
      latest.current();
      frame = requestAnimationFrame(run);
    };
    run();
    return () => cancelAnimationFrame(frame);
  }, []);
}

/** What has a position, in frames. */
interface Clock {
  readonly position: number;
  readonly sampleRateHz: number;
}

/** Positions are whole frames, which may be a little before the segment to which a click has led. */
const TOLERANCE_SECONDS = 0.01;

/** Return the position in seconds. */
export function secondsHere(clock: Clock): number {
  return clock.position / clock.sampleRateHz + TOLERANCE_SECONDS;
}

/** Return the index of the segment at the position, -1 before the first. */
export function segmentHere(clock: Clock, segments: readonly { readonly start_seconds: number }[]): number {
  return segmentAt(segments, secondsHere(clock));
}

/** Return the index of the segment at the position, -1 before the first. The component is rendered again when it changes. */
export function useSegmentAt(clock: Clock, segments: readonly { readonly start_seconds: number }[]): number {
  const [index, setIndex] = useState(-1);
  useEachFrame(() => setIndex(segmentHere(clock, segments)));
  return index;
}

/** Scroll the box, and not the page, when the next line plays. A far line appears at once: each one on the way would be rendered. */
export function keepInSight(box: HTMLElement, row: Element): void {
  const [outer, inner] = [box.getBoundingClientRect(), row.getBoundingClientRect()];
  if (inner.top >= outer.top && inner.bottom + inner.height <= outer.bottom) return;
  const top = inner.top - outer.top - outer.height / 4;
  box.scrollBy({ top, behavior: Math.abs(top) < outer.height ? "smooth" : "instant" });
}
