/** One session of playback: it begins at a position, and ends with the next seek, pause, loop or change of speed. */

import type { Grid } from "./bars.ts";
import { PREFETCH_SECONDS } from "./loader.ts";
import type { Mixer } from "./mixer.ts";
import { Planner } from "./planner.ts";
import type { LaneSource } from "./segments.ts";
import type { Piece, Range } from "./timeline.ts";

/** How far ahead pieces are scheduled. */
const AHEAD_SECONDS = 2;
/** Sources stop this much later than the fade ends. */
const LATE_SECONDS = 0.01;

/** What all lanes of a track share. */
export interface TrackFormat {
  readonly sampleRateHz: number;
  readonly frameCount: number;
  readonly segmentFrames: number;
}

interface Start {
  /** First frame of the track that sounds. */
  readonly position: number;
  /** Time of the context at which it sounds, in frames. */
  readonly origin: number;
  readonly loop: Range | null;
  readonly speed: number;
  /** Time from the sources to the output. */
  readonly latencySeconds: number;
}

export class Session {
  readonly #planner: Planner;
  readonly #mixer: Mixer;
  readonly #format: TrackFormat;
  readonly #start: Start;
  readonly #playing = new Set<AudioBufferSourceNode>();

  constructor(mixer: Mixer, format: TrackFormat, start: Start) {
    this.#mixer = mixer;
    this.#format = format;
    this.#start = start;
    this.#planner = new Planner(start.position, format, start.loop);
  }

  /** The position in the track that is heard, in frames. */
  get position(): number {
    return this.#planner.positionAt(this.#outputAt(this.#mixer.context.currentTime - this.#start.latencySeconds));
  }

  /** The next piece, if it is time to schedule it. */
  get due(): Piece | undefined {
    const { next } = this.#planner;
    return next && next.output < this.#output + AHEAD_SECONDS * this.#framesPerSecond ? next : undefined;
  }

  /** The segments to load, in the order in which they sound. */
  get coming(): readonly number[] {
    return this.#planner.coming.map((piece) => piece.segment);
  }

  /** Whether everything has sounded. */
  get hasEnded(): boolean {
    return this.#planner.ended && this.#output >= this.#planner.length;
  }

  /** Plan ahead: little at first, so that seeks in quick succession do not load much that is never heard. */
  plan(): void {
    const playedSeconds = this.#mixer.context.currentTime - this.#start.origin / this.#format.sampleRateHz;
    const aheadSeconds = Math.min(PREFETCH_SECONDS, AHEAD_SECONDS + Math.max(0, playedSeconds));
    this.#planner.fill(this.#output + aheadSeconds * this.#framesPerSecond);
  }

  /** Return whether a segment is to be loaded soon after the start. */
  needsSoon(segment: number): boolean {
    return this.#planner.needsSoon(segment, PREFETCH_SECONDS * this.#format.sampleRateHz);
  }

  /** Return the time of the context at which a piece sounds. */
  timeOf(piece: Piece): number {
    return this.#planner.timeOf(piece.output, this.#start.origin, this.#start.speed, this.#format.sampleRateHz);
  }

  /** Let the next piece of every source sound, and the beats in it click. */
  schedule(piece: Piece, sources: readonly LaneSource[], buffers: readonly AudioBuffer[], grid: Grid): void {
    const rate = this.#format.sampleRateHz;
    const when = this.timeOf(piece);
    sources.forEach(({ id }, index) => {
      const buffer = buffers[index];
      if (!buffer) return;
      const source = new AudioBufferSourceNode(this.#mixer.context, { buffer, playbackRate: this.#start.speed });
      source.connect(this.#mixer.input(id));
      source.start(when, piece.offset / rate, piece.frames / rate);
      this.#keep(source);
    });
    const start = (piece.segment * this.#format.segmentFrames + piece.offset) / rate;
    const heard = when + this.#start.latencySeconds;
    const clicks = this.#mixer.metronome.clicks(grid, start, start + piece.frames / rate, heard, this.#start.speed);
    clicks.forEach((click) => this.#keep(click));
    this.#planner.advance();
  }

  /** Stop all sources with a short fade. */
  stop(): void {
    const silentSeconds = this.#mixer.close();
    for (const source of this.#playing) source.stop(silentSeconds + LATE_SECONDS);
  }

  /** What the sources have played since the start, in frames of the track. */
  get #output(): number {
    return this.#outputAt(this.#mixer.context.currentTime);
  }

  get #framesPerSecond(): number {
    return this.#format.sampleRateHz * this.#start.speed;
  }

  #outputAt(seconds: number): number {
    return (seconds * this.#format.sampleRateHz - this.#start.origin) * this.#start.speed;
  }

  /** Remember a source until it ends. Then it gives up its samples, which would else stay until it is collected as garbage. */
  #keep(source: AudioBufferSourceNode): void {
    this.#playing.add(source);
    source.onended = () => {
      this.#playing.delete(source);
      source.disconnect();
      source.buffer = null;
    };
  }
}
