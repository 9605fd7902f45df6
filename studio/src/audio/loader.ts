/** Loads the segments of all sources that play, ahead of playback. */

import { type LaneSource, SegmentCache } from "./segments.ts";

const RETRY_MILLISECONDS = 1000;
/** Decoded audio that is kept for each source beside what is loaded ahead: one segment behind, and the one that plays. */
const KEPT_SECONDS = 10;
/** How far ahead segments are loaded, in seconds of playback. */
export const PREFETCH_SECONDS = 10;
const FRAME_BYTES = 8;

export class Loader {
  readonly cache: SegmentCache;
  readonly #bytesPerSecond: number;
  #sources: readonly LaneSource[];
  #speed = 1;
  /** After a failure, when to try again. */
  #retryAt = 0;

  constructor(sources: readonly LaneSource[], sampleRateHz: number) {
    this.#sources = sources;
    this.#bytesPerSecond = sampleRateHz * FRAME_BYTES;
    this.cache = new SegmentCache(0);
    this.#limit();
  }

  set speed(speed: number) {
    this.#speed = speed;
    this.#limit();
  }

  /** The sources that play. */
  get sources(): readonly LaneSource[] {
    return this.#sources;
  }

  /** Load a segment of one more source, which plays from then on. */
  async add(source: LaneSource, index: number): Promise<void> {
    await this.cache.load(source, index);
    if (this.#sources.includes(source)) return;
    this.#sources = [...this.#sources, source];
    this.#limit();
  }

  /** Return a segment of every source; null if one of them is not loaded yet. */
  loaded(index: number): readonly AudioBuffer[] | null {
    const buffers = this.#sources.map((source) => this.cache.get(source, index));
    return buffers.every((buffer) => buffer !== null) ? buffers : null;
  }

  /** Load a segment of every source. */
  async load(index: number): Promise<void> {
    await Promise.all(this.#sources.map((source) => this.cache.load(source, index)));
  }

  /** Load segments that sound later. Failures are tried again a while later; a load that a seek stopped is none. */
  loadAhead(indices: readonly number[]): void {
    if (performance.now() < this.#retryAt) return;
    for (const index of new Set(indices)) {
      this.load(index).catch((error: unknown) => {
        if (error instanceof DOMException && error.name === "AbortError") return;
        this.#retryAt = performance.now() + RETRY_MILLISECONDS;
      });
    }
  }

  #limit(): void {
    const seconds = KEPT_SECONDS + PREFETCH_SECONDS * Math.max(1, this.#speed);
    this.cache.limitBytes = this.#sources.length * seconds * this.#bytesPerSecond;
  }
}
