/**
 * Plays the lanes of a track in step. One clock, that of the `AudioContext`, schedules decoded segments of all lanes a few seconds
 * ahead, in whole frames. At speed 1 without transposition, playback is sample exact. Otherwise the sources play faster or slower, and
 * one pitch shifter behind the sum restores the pitch, so the lanes stay in step at every speed.
 */

import { BEATS_PER_BAR, beatSeconds, countIn, firstBeatFrom, isDownbeat, Metronome } from "./metronome.ts";
import { isHeard, type Lane, NEUTRAL } from "./mix.ts";
import { Planner } from "./planner.ts";
import { type LaneSource, SegmentCache } from "./segments.ts";
import { PitchShifter } from "./stretch.ts";
import { type Level, Meter, SILENCE, Strip, setGain } from "./strip.ts";
import type { Piece, Range } from "./timeline.ts";

export type EngineState = "stopped" | "buffering" | "playing";

/** What all lanes of a track share. */
export interface TrackFormat {
  readonly sampleRateHz: number;
  readonly frameCount: number;
  readonly segmentFrames: number;
}

export interface EngineOptions {
  /** Create the output. Called at the first start of playback, because browsers allow sound only after an action of the user. */
  readonly createContext: (sampleRateHz: number) => BaseAudioContext;
  /** The recording that the lanes were separated from, for comparison. */
  readonly original?: LaneSource | null;
  /** Other audio for lanes, by the IDs of the lanes. It plays in the same clock, and is heard instead if it is chosen. */
  readonly alternatives?: ReadonlyMap<string, LaneSource>;
  readonly cacheBytes?: number;
  /** Called when the state changes. `error` says why playback waits or has stopped. */
  readonly onState?: (state: EngineState, error: unknown) => void;
}

const AHEAD_SECONDS = 2;
const PREFETCH_SECONDS = 10;
const FADE_SECONDS = 0.005;
/** Time between scheduling and sounding, so that the first frames are not late. */
const LEAD_SECONDS = 0.03;
const LATE_SECONDS = 0.01;
const TICK_MILLISECONDS = 100;
const RETRY_MILLISECONDS = 1000;
/** Decoded audio that is kept for each source: what is loaded ahead at double speed, and one segment behind. */
const CACHE_SECONDS = 30;
const FRAME_BYTES = 8;

interface Session {
  readonly planner: Planner;
  /** Time of the context at which the first frame sounds, in frames. */
  readonly origin: number;
  readonly sources: Set<AudioBufferSourceNode>;
}

interface Graph {
  readonly context: BaseAudioContext;
  readonly strips: Map<string, Strip>;
  /** Where each source goes, by its ID: one gain for each lane, and one for each alternative. */
  readonly inputs: Map<string, GainNode>;
  readonly stems: GainNode;
  readonly original: GainNode;
  readonly gate: GainNode;
  readonly master: GainNode;
  readonly meter: Meter;
  readonly metronome: Metronome;
}

export class Engine {
  readonly format: TrackFormat;
  readonly cache: SegmentCache;
  readonly #lanes: readonly LaneSource[];
  readonly #options: EngineOptions;
  readonly #mix = new Map<string, Lane>();
  #masterVolume = 1;
  #graph: Graph | null = null;
  #session: Session | null = null;
  #shifter: PitchShifter | null = null;
  #state: EngineState = "stopped";
  #position = 0;
  #loop: Range | null = null;
  #speed = 1;
  #semitones = 0;
  #usesOriginal = false;
  #hearsOriginal = false;
  #switched: ReadonlySet<string> = new Set();
  #beats: readonly number[] = [];
  #firstDownbeat = 0;
  #clicks = false;
  #timer: ReturnType<typeof setInterval> | undefined;
  #retryAt = 0;

  constructor(format: TrackFormat, lanes: readonly LaneSource[], options: EngineOptions) {
    this.format = format;
    this.#lanes = lanes;
    this.#options = options;
    const sources = lanes.length + (options.alternatives?.size ?? 0) + (options.original ? 1 : 0);
    const bytes = sources * CACHE_SECONDS * format.sampleRateHz * FRAME_BYTES;
    this.cache = new SegmentCache(options.cacheBytes ?? bytes);
  }

  get state(): EngineState {
    return this.#state;
  }

  get loop(): Range | null {
    return this.#loop;
  }

  /** The position in the track that is heard now, in frames. */
  get position(): number {
    const session = this.#session;
    const graph = this.#graph;
    if (!session || !graph) return this.#position;
    const latency = this.#shifts ? (this.#shifter?.latencySeconds ?? 0) : 0;
    const heard = (graph.context.currentTime - latency) * this.format.sampleRateHz - session.origin;
    return session.planner.positionAt(heard * this.#speed);
  }

  /** Load the audio at the position, so that playback starts at once. */
  async prefetch(): Promise<void> {
    const index = Math.floor(Math.min(this.#position, this.format.frameCount - 1) / this.format.segmentFrames);
    await Promise.all(this.#playing.map((lane) => this.cache.load(lane, index)));
  }

  /** Start playback at the position; with `countIn`, after one bar of clicks. Resolves when playback is scheduled. */
  async play(countIn = false): Promise<void> {
    if (this.#state !== "stopped") return;
    if (this.#position >= this.format.frameCount) this.#position = 0;
    const graph = this.#build();
    this.#change("buffering");
    if (graph.context instanceof AudioContext) {
      await graph.context.resume();
      this.#timer ??= setInterval(() => this.tick(), TICK_MILLISECONDS);
    }
    if (this.#shifts) await this.#prepareShifter(graph);
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
    this.#position = this.#end();
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

  /** Change the speed (0.5 to 2, at constant pitch) and the pitch (in semitones, at constant speed). */
  async setStretch(speed: number, semitones: number): Promise<void> {
    const position = this.position;
    const graph = this.#graph;
    if (graph && (speed !== 1 || semitones !== 0)) await this.#prepareShifter(graph);
    const frame = this.#session ? this.#end() : position;
    this.#speed = speed;
    this.#semitones = semitones;
    this.#route();
    await this.#shifter?.shift(semitones - 12 * Math.log2(speed));
    this.#position = frame;
    if (this.#state !== "stopped") this.#begin(false);
  }

  /** Set the settings of all lanes, by their IDs. */
  setMix(mix: ReadonlyMap<string, Lane>): void {
    for (const [id, lane] of mix) this.#mix.set(id, lane);
    this.#applyMix(this.#session !== null);
  }

  setMasterVolume(volume: number): void {
    this.#masterVolume = volume;
    if (this.#graph) setGain(this.#graph.master, volume, this.#session !== null);
  }

  /** Hear the original instead of the lanes, or the lanes again. The first call loads the original. */
  async hearOriginal(original: boolean): Promise<void> {
    this.#hearsOriginal = original && !!this.#options.original;
    if (this.#hearsOriginal && !this.#usesOriginal) {
      const index = Math.floor(this.position / this.format.segmentFrames);
      if (this.#options.original) await this.cache.load(this.#options.original, index);
      this.#usesOriginal = true;
      this.#restart(null);
    }
    this.#applySides(this.#session !== null);
  }

  /** Hear the alternatives of the lanes with these IDs, and all other lanes as they are. */
  hearAlternatives(laneIds: ReadonlySet<string>): void {
    this.#switched = laneIds;
    this.#applySides(this.#session !== null);
  }

  /** Set the beats for the metronome, in seconds. Every fourth from `firstDownbeat` on is accented. */
  setBeats(beats: readonly number[], firstDownbeat = 0): void {
    this.#beats = beats;
    this.#firstDownbeat = firstDownbeat;
  }

  setMetronome(on: boolean): void {
    this.#clicks = on;
    if (this.#graph) setGain(this.#graph.metronome.output, on ? 1 : 0, this.#session !== null);
  }

  /** The level of a lane. */
  level(id: string): Level {
    return this.#graph?.strips.get(id)?.meter.read() ?? SILENCE;
  }

  /** The level of what is heard. */
  masterLevel(): Level {
    return this.#graph?.meter.read() ?? SILENCE;
  }

  /** Schedule what sounds soon, and load what sounds later. A timer calls this; measurements without a timer call it themselves. */
  tick(): void {
    const { session, graph } = { session: this.#session, graph: this.#graph };
    if (!session || !graph) return;
    const rate = this.format.sampleRateHz;
    const now = graph.context.currentTime;
    const output = (now * rate - session.origin) * this.#speed;
    const planner = session.planner;
    planner.fill(output + this.#aheadSeconds(now - session.origin / rate) * rate * this.#speed);
    while (planner.next && planner.next.output < output + AHEAD_SECONDS * rate * this.#speed) {
      const piece = planner.next;
      const buffers = this.#playing.map((lane) => this.cache.get(lane, piece.segment));
      if (buffers.some((buffer) => buffer === null)) {
        if (planner.timeOf(piece.output, session.origin, this.#speed, rate) < now + LEAD_SECONDS) this.#stall();
        break;
      }
      this.#schedule(graph, session, piece, buffers as AudioBuffer[]);
      planner.advance();
    }
    this.#load(planner.coming.map((piece) => piece.segment));
    if (planner.ended && output >= planner.length) this.#finish();
  }

  /** Release everything. */
  async close(): Promise<void> {
    this.pause();
    this.cache.clear();
    if (this.#graph?.context instanceof AudioContext) await this.#graph.context.close();
    this.#graph = null;
    this.#shifter = null;
  }

  /** How far ahead to load: little at first, so that seeks in quick succession do not load much that is never heard. */
  #aheadSeconds(playedSeconds: number): number {
    return Math.min(PREFETCH_SECONDS, AHEAD_SECONDS + Math.max(0, playedSeconds));
  }

  get #shifts(): boolean {
    return this.#speed !== 1 || this.#semitones !== 0;
  }

  /** The lanes that are scheduled. */
  get #playing(): readonly LaneSource[] {
    const { original, alternatives } = this.#options;
    const all = [...this.#lanes, ...(alternatives?.values() ?? [])];
    return this.#usesOriginal && original ? [...all, original] : all;
  }

  #build(): Graph {
    if (this.#graph) return this.#graph;
    const context = this.#options.createContext(this.format.sampleRateHz);
    const [stems, original, gate, master] = [0, 1, 2, 3].map(() => new GainNode(context, { channelCount: 2 })) as [
      GainNode,
      GainNode,
      GainNode,
      GainNode,
    ];
    const metronome = new Metronome(context);
    const strips = new Map(this.#lanes.map((lane) => [lane.id, new Strip(context, lane.channelCount)]));
    const inputs = new Map<string, GainNode>();
    for (const { id } of this.#lanes) {
      const strip = strips.get(id);
      strip?.output.connect(stems);
      for (const source of [id, this.#options.alternatives?.get(id)?.id]) {
        if (strip && source) inputs.set(source, new GainNode(context)).get(source)?.connect(strip.input);
      }
    }
    stems.connect(gate);
    original.connect(gate);
    metronome.output.connect(master);
    master.connect(context.destination);
    this.#graph = { context, strips, inputs, stems, original, gate, master, meter: new Meter(master), metronome };
    this.#route();
    this.#applyMix(false);
    this.#applySides(false);
    master.gain.value = this.#masterVolume;
    metronome.output.gain.value = this.#clicks ? 1 : 0;
    return this.#graph;
  }

  /** Connect the sum to the output, through the pitch shifter if it is needed. */
  #route(): void {
    if (!this.#graph) return;
    const { gate, master } = this.#graph;
    gate.disconnect();
    this.#shifter?.node.disconnect();
    if (this.#shifts && this.#shifter) gate.connect(this.#shifter.node).connect(master);
    else gate.connect(master);
  }

  async #prepareShifter(graph: Graph): Promise<void> {
    if (this.#shifter) return;
    this.#shifter = await PitchShifter.create(graph.context);
    await this.#shifter.shift(this.#semitones - 12 * Math.log2(this.#speed));
    this.#route();
  }

  #applyMix(smooth: boolean): void {
    const mixed = this.#lanes.map((lane) => this.#mix.get(lane.id) ?? NEUTRAL);
    this.#lanes.forEach((lane, index) => {
      const { volume, pan } = mixed[index] ?? NEUTRAL;
      this.#graph?.strips.get(lane.id)?.set(volume, pan, isHeard(mixed[index] ?? NEUTRAL, mixed), smooth);
    });
  }

  #applySides(smooth: boolean): void {
    if (!this.#graph) return;
    setGain(this.#graph.stems, this.#hearsOriginal ? 0 : 1, smooth);
    setGain(this.#graph.original, this.#hearsOriginal ? 1 : 0, smooth);
    for (const [laneId, { id }] of this.#options.alternatives ?? []) {
      const [input, other] = [this.#graph.inputs.get(laneId), this.#graph.inputs.get(id)];
      if (input) setGain(input, this.#switched.has(laneId) ? 0 : 1, smooth);
      if (other) setGain(other, this.#switched.has(laneId) ? 1 : 0, smooth);
    }
  }

  #restart(frame: number | null): void {
    const playing = this.#session !== null;
    const position = this.#end();
    this.#position = frame ?? position;
    if (playing) this.#begin(false);
  }

  /** Begin to play at the position, as soon as the sources of an earlier session are silent. */
  #begin(countIn: boolean): void {
    const graph = this.#build();
    const rate = this.format.sampleRateHz;
    const start = graph.context.currentTime + LEAD_SECONDS;
    const wait = countIn ? this.#countIn(graph, start) : 0;
    const origin = Math.ceil((start + wait) * rate);
    const { gain } = graph.gate;
    gain.cancelScheduledValues(start);
    // The fade keeps a start within the track from clicking. The beginning of the track is left as it is.
    gain.setValueAtTime(this.#position === 0 ? 1 : 0, start);
    if (this.#position !== 0) {
      gain.setValueAtTime(0, origin / rate);
      gain.linearRampToValueAtTime(1, origin / rate + FADE_SECONDS);
    }
    const planner = new Planner(this.#position, this.format, this.#loop);
    this.#session = { planner, origin, sources: new Set() };
    this.cache.cancel((_, index) => planner.needsSoon(index, PREFETCH_SECONDS * rate));
    this.#change("playing");
    this.tick();
  }

  /** End the session with a short fade. Return the position at which it becomes silent. */
  #end(): number {
    const { session, graph } = { session: this.#session, graph: this.#graph };
    if (!session || !graph) return this.#position;
    const position = this.position;
    const now = graph.context.currentTime;
    const { gain } = graph.gate;
    gain.cancelScheduledValues(now);
    gain.setValueAtTime(gain.value, now);
    gain.linearRampToValueAtTime(0, now + FADE_SECONDS);
    for (const source of session.sources) source.stop(now + FADE_SECONDS + LATE_SECONDS);
    this.#session = null;
    return Math.round(position);
  }

  #schedule(graph: Graph, session: Session, piece: Piece, buffers: readonly AudioBuffer[]): void {
    const rate = this.format.sampleRateHz;
    const when = session.planner.timeOf(piece.output, session.origin, this.#speed, rate);
    this.#playing.forEach((lane, index) => {
      const buffer = buffers[index];
      if (!buffer) return;
      const source = new AudioBufferSourceNode(graph.context, { buffer, playbackRate: this.#speed });
      source.connect(graph.inputs.get(lane.id) ?? graph.original);
      source.start(when, piece.offset / rate, piece.frames / rate);
      keep(session, source);
    });
    const start = (piece.segment * this.format.segmentFrames + piece.offset) / rate;
    const end = start + piece.frames / rate;
    const latency = this.#shifts ? (this.#shifter?.latencySeconds ?? 0) : 0;
    for (let beat = firstBeatFrom(this.#beats, start); beat < this.#beats.length; beat++) {
      const seconds = this.#beats[beat] ?? end;
      if (seconds >= end) break;
      const time = when + (seconds - start) / this.#speed + latency;
      keep(session, graph.metronome.click(time, isDownbeat(beat, this.#firstDownbeat)));
    }
  }

  /** Schedule one bar of clicks from `start` on. Return its length in seconds. */
  #countIn(graph: Graph, start: number): number {
    const position = this.#position / this.format.sampleRateHz;
    const interval = beatSeconds(this.#beats, position) / this.#speed;
    for (const { seconds, accent } of countIn(this.#beats, this.#firstDownbeat, position, interval * this.#speed)) {
      graph.metronome.click(start + seconds / this.#speed, accent, graph.master);
    }
    return BEATS_PER_BAR * interval;
  }

  /** Wait for audio that is not loaded yet. */
  #stall(): void {
    this.#position = this.#end();
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

  #load(indices: readonly number[]): void {
    if (performance.now() < this.#retryAt) return;
    for (const index of new Set(indices)) {
      for (const lane of this.#playing) {
        this.cache.load(lane, index).catch(() => {
          this.#retryAt = performance.now() + RETRY_MILLISECONDS;
        });
      }
    }
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

/** Remember a source until it ends. Then it gives up its samples, which would else stay until it is collected as garbage. */
function keep(session: Session, source: AudioBufferSourceNode): void {
  session.sources.add(source);
  source.onended = () => {
    session.sources.delete(source);
    source.disconnect();
    source.buffer = null;
  };
}
