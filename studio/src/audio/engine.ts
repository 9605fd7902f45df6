/**
 * Plays the lanes of a track in step. One clock, that of the `AudioContext`, schedules decoded segments of all lanes a few seconds
 * ahead, in whole frames. At speed 1 without transposition, playback is sample exact. Otherwise the sources play faster or slower, and
 * one pitch shifter behind the sum restores the pitch, so the lanes stay in step at every speed.
 */

import { type Grid, NO_GRID } from "./bars.ts";
import { Loader } from "./loader.ts";
import type { Lane } from "./mix.ts";
import { initialSettings, Mixer } from "./mixer.ts";
import type { LaneSource, SegmentCache } from "./segments.ts";
import { Session, type TrackFormat } from "./session.ts";
import { canStretch, Stretch } from "./stretch.ts";
import { type Level, SILENCE } from "./strip.ts";
import type { Range } from "./timeline.ts";

export type EngineState = "stopped" | "buffering" | "playing";

export interface EngineOptions {
  /** Create the output. Called at the first start of playback, because browsers allow sound only after an action of the user. */
  readonly createContext: (sampleRateHz: number) => BaseAudioContext;
  /** The recording that the lanes were separated from, for comparison. */
  readonly original?: LaneSource | null;
  /** Other audio for lanes, by the IDs of the lanes. It plays in the same clock, and is heard instead if it is chosen. */
  readonly alternatives?: ReadonlyMap<string, LaneSource>;
  /** Called when the state changes. `error` says why playback waits or has stopped. */
  readonly onState?: (state: EngineState, error: unknown) => void;
  /** Called when a loop begins again. */
  readonly onLoop?: () => void;
}

/** Time between scheduling and sounding, so that the first frames are not late. */
const LEAD_SECONDS = 0.03;
const TICK_MILLISECONDS = 100;
const RETRY_MILLISECONDS = 1000;

export class Engine {
  readonly format: TrackFormat;
  readonly #lanes: readonly LaneSource[];
  readonly #alternatives: ReadonlyMap<string, LaneSource>;
  readonly #options: EngineOptions;
  readonly #loader: Loader;
  readonly #stretch = new Stretch();
  readonly #settings = initialSettings();
  #mixer: Mixer | null = null;
  #session: Session | null = null;
  #state: EngineState = "stopped";
  /** Where playback continues. While a session plays, it knows the position. */
  #position = 0;
  #loop: Range | null = null;
  /** The position at the last tick. Only a loop goes back. */
  #before = 0;
  #grid: Grid = NO_GRID;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(format: TrackFormat, lanes: readonly LaneSource[], options: EngineOptions) {
    this.format = format;
    this.#lanes = lanes;
    this.#alternatives = options.alternatives ?? new Map<string, LaneSource>();
    this.#options = options;
    this.#loader = new Loader([...lanes, ...this.#alternatives.values()], format.sampleRateHz);
  }

  get state(): EngineState {
    return this.#state;
  }

  get cache(): SegmentCache {
    return this.#loader.cache;
  }

  /** The position in the track that is heard now, in frames. */
  get position(): number {
    return this.#session?.position ?? this.#position;
  }

  /** Load the audio at the position, so that playback starts at once. */
  async prefetch(): Promise<void> {
    await this.#loader.load(this.#segmentAt(Math.min(this.#position, this.format.frameCount - 1)));
  }

  /** Start playback at the position; with `countIn`, after one bar of clicks. Resolves when playback is scheduled. */
  async play(countIn = false): Promise<void> {
    if (this.#state !== "stopped") return;
    if (this.#position >= this.format.frameCount) this.#position = 0;
    const mixer = this.#build();
    this.#change("buffering");
    if (mixer.context instanceof AudioContext) {
      await mixer.context.resume();
      this.#timer ??= setInterval(() => this.tick(), TICK_MILLISECONDS);
    }
    if (this.#stretch.isActive) await this.#prepareStretch(mixer);
    try {
      await this.prefetch();
    } catch (error) {
      this.#stopTimer();
      this.#change("stopped", error);
      return;
    }
    if (this.state !== "buffering" || this.#session) return; // stopped meanwhile
    this.#begin(countIn);
  }

  /** Stop playback. The position stays. */
  pause(): void {
    this.#end();
    this.#stopTimer();
    this.#change("stopped");
  }

  /** Continue at `frame`, playing or not. */
  seek(frame: number): void {
    this.#restart(Math.max(0, Math.min(Math.round(frame), this.format.frameCount)));
  }

  /** Repeat a part of the track without a gap; null plays on to the end. */
  setLoop(loop: Range | null): void {
    this.#loop = loop;
    this.#restart(null);
  }

  /** Change the speed (0.5 to 2, at constant pitch) and the pitch (in semitones, at constant speed), if the browser can. */
  async setStretch(speed: number, semitones: number): Promise<void> {
    if (!canStretch) return;
    if (this.#mixer && (speed !== 1 || semitones !== 0)) await this.#prepareStretch(this.#mixer);
    this.#end();
    this.#stretch.speed = speed;
    this.#loader.speed = speed;
    this.#stretch.semitones = semitones;
    this.#mixer?.insert(this.#stretch.node);
    await this.#stretch.apply();
    if (this.#state !== "stopped") this.#begin(false);
  }

  /** Set the settings of all lanes, by their IDs. */
  setMix(mix: ReadonlyMap<string, Lane>): void {
    for (const [id, lane] of mix) this.#settings.lanes.set(id, lane);
    this.#mixer?.applyLanes(this.#session !== null);
  }

  setMasterVolume(volume: number): void {
    this.#settings.masterVolume = volume;
    this.#mixer?.applyMaster(this.#session !== null);
  }

  /** Hear the original instead of the lanes, or the lanes again. The first call loads the original. */
  async hearOriginal(original: boolean): Promise<void> {
    const source = this.#options.original;
    this.#settings.hearsOriginal = original && !!source;
    if (source && original && !this.#loader.sources.includes(source)) {
      await this.#loader.add(source, this.#segmentAt(this.position));
      this.#restart(null);
    }
    this.#mixer?.applySides(this.#session !== null);
  }

  /** Hear the alternatives of the lanes with these IDs, and all other lanes as they are. */
  hearAlternatives(laneIds: ReadonlySet<string>): void {
    this.#settings.switched = laneIds;
    this.#mixer?.applySides(this.#session !== null);
  }

  /** Set the beats for the metronome. The first one of each bar is accented. */
  setGrid(grid: Grid): void {
    this.#grid = grid;
  }

  setMetronome(on: boolean): void {
    this.#settings.clicks = on;
    this.#mixer?.applyClicks(this.#session !== null);
  }

  /** The level of a lane. */
  level(id: string): Level {
    return this.#mixer?.level(id) ?? SILENCE;
  }

  /** The level of what is heard. */
  masterLevel(): Level {
    return this.#mixer?.masterLevel() ?? SILENCE;
  }

  /** Schedule what sounds soon, and load what sounds later. A timer calls this; measurements without a timer call it themselves. */
  tick(): void {
    const { session, mixer } = { session: this.#session, mixer: this.#mixer };
    if (!session || !mixer) return;
    session.plan();
    for (let piece = session.due; piece; piece = session.due) {
      const buffers = this.#loader.loaded(piece.segment);
      if (!buffers) {
        if (session.timeOf(piece) < mixer.context.currentTime + LEAD_SECONDS) this.#stall();
        break;
      }
      session.schedule(piece, this.#loader.sources, buffers, this.#grid);
    }
    this.#loader.loadAhead(session.coming);
    if (session.hasEnded) this.#finish();
    const { position } = this;
    const isNewPass = position < this.#before;
    this.#before = position;
    if (isNewPass) this.#options.onLoop?.();
  }

  /** Release everything. The engine does not play again. */
  async close(): Promise<void> {
    this.pause();
    this.cache.clear();
    if (this.#mixer?.context instanceof AudioContext) await this.#mixer.context.close();
    this.#mixer = null;
  }

  #segmentAt(frame: number): number {
    return Math.floor(frame / this.format.segmentFrames);
  }

  #build(): Mixer {
    this.#mixer ??= new Mixer(
      this.#options.createContext(this.format.sampleRateHz),
      this.#lanes,
      this.#alternatives,
      this.#settings,
    );
    return this.#mixer;
  }

  async #prepareStretch(mixer: Mixer): Promise<void> {
    await this.#stretch.prepare(mixer.context);
    mixer.insert(this.#stretch.node);
  }

  #restart(frame: number | null): void {
    const playing = this.#session !== null;
    this.#end();
    this.#position = frame ?? this.#position;
    if (playing) this.#begin(false);
  }

  /** Begin to play at the position, as soon as the sources of an earlier session are silent. */
  #begin(countIn: boolean): void {
    const mixer = this.#build();
    const rate = this.format.sampleRateHz;
    const { speed, latencySeconds } = this.#stretch;
    const start = mixer.context.currentTime + LEAD_SECONDS;
    const wait = countIn ? mixer.metronome.countIn(this.#grid, this.#position / rate, start, speed) : 0;
    const origin = Math.ceil((start + wait) * rate);
    // The fade keeps a start within the track from clicking. The beginning of the track is left as it is.
    mixer.open(start, origin / rate, this.#position !== 0);
    const session = new Session(mixer, this.format, {
      position: this.#position,
      origin,
      loop: this.#loop,
      speed,
      latencySeconds,
    });
    this.#session = session;
    this.#before = this.#position;
    this.cache.cancel((_, index) => session.needsSoon(index));
    this.#change("playing");
    this.tick();
  }

  /** End the session with a short fade, and keep the position at which it becomes silent. */
  #end(): void {
    if (!this.#session) return;
    this.#position = Math.round(this.#session.position);
    this.#session.stop();
    this.#session = null;
  }

  /** Wait for audio that is not loaded yet. */
  #stall(): void {
    this.#end();
    this.#change("buffering");
    this.#resume();
  }

  #resume(): void {
    this.prefetch().then(
      () => {
        if (this.#state === "buffering" && !this.#session) this.#begin(false);
      },
      (error: unknown) => {
        if (this.#state !== "buffering") return;
        this.#change("buffering", error);
        setTimeout(() => this.#state === "buffering" && this.#resume(), RETRY_MILLISECONDS);
      },
    );
  }

  #finish(): void {
    this.#session = null;
    this.#position = this.format.frameCount;
    this.#stopTimer();
    this.#change("stopped");
  }

  #stopTimer(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #change(state: EngineState, error: unknown = null): void {
    if (state === this.#state && !error) return;
    this.#state = state;
    this.#options.onState?.(state, error);
  }
}
