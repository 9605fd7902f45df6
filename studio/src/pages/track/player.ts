/** The state of the track page: the mixer, the transport and the visible part. It drives the engine, and survives a reload. */

import { batch, computed, effect, type Signal, signal } from "@preact/signals";
import { type Stem, type Stems } from "../../api/client.ts";
import { barAround, nearestBeat } from "../../audio/bars.ts";
import { Engine, type EngineState } from "../../audio/engine.ts";
import { leaveFloor, takeFloor } from "../../audio/floor.ts";
import { type Lane, NEUTRAL } from "../../audio/mix.ts";
import { silentSource } from "../../audio/segments.ts";
import type { Range } from "../../audio/timeline.ts";
import { Debounced } from "./debounced.ts";
import type { LiveFeed } from "../../api/live.ts";
import { Music } from "./music.ts";
import { type NamedLoop, type PlayedStem, save, type Saved, savedOf, sourceOf } from "./sources.ts";
import { beatMarks, bounded, type View, whole, zoomed } from "../../waveform/view.ts";

const MIN_LOOP_SECONDS = 0.05;
const SNAP_PIXELS = 10;
/** A slider that moves, or a key that is held, seeks when it rests this long. Each seek loads audio of all lanes. */
const SEEK_REST_MILLISECONDS = 150;

/** What a player plays. */
export interface Recording {
  readonly stems: Stems;
  /** Another separation of the same track, to compare. */
  readonly other: Stems | null;
  /** Where it begins, in frames; null: where it stood last. */
  readonly position: number | null;
  /** Whether it plays at once. */
  readonly isPlaying?: boolean;
}

export class Player {
  /** One stem for each lane. Types that only the other separation has come last, and are silent. */
  readonly stems: readonly Stem[];
  /** The stems of the other separation, by their types. */
  readonly others: ReadonlyMap<string, Stem>;
  readonly mix: Stem | null;
  /** The separation, if it is heard while it runs. */
  readonly feed: LiveFeed | null;
  readonly engine: Engine;
  readonly frameCount: number;
  readonly sampleRateHz: number;
  /** Factor that lets the loudest stem fill its lane. The same for all lanes, so that their levels compare. */
  readonly waveScale: number;

  readonly state = signal<EngineState>("stopped");
  readonly problem = signal("");
  /** Settings of the lanes, by the type of the stem. */
  readonly lanes: Signal<Readonly<Record<string, Lane>>>;
  readonly master = signal(1);
  readonly speed = signal(1);
  readonly semitones = signal(0);
  readonly loop = signal<Range | null>(null);
  readonly loops = signal<readonly NamedLoop[]>([]);
  readonly hearsOriginal = signal(false);
  /** Types of the lanes that play the other separation. */
  readonly switched = signal<ReadonlySet<string>>(new Set());
  readonly metronome = signal(false);
  readonly countIn = signal(false);
  readonly music = new Music(this.semitones);
  /** Lets each pass of the loop be faster by `step`, up to the speed `limit`. */
  readonly trainer = signal<{ readonly step: number; readonly limit: number } | null>(null);
  /** Whether it plays a recording that is not separated. */
  readonly isWhole: boolean;
  readonly hasSpectrograms: boolean;
  /** What the lanes show. */
  readonly picture = signal<"waveform" | "spectrogram" | "notes">("waveform");
  /** Width of the waveforms in CSS pixels. */
  readonly width = signal(1000);
  readonly view = signal<View>({ start: 0, framesPerPixel: 1 });
  readonly isPlaying = computed(() => this.state.value !== "stopped");
  readonly beatMarks = computed(() =>
    beatMarks(this.view.value, this.width.value, this.sampleRateHz, this.music.grid.value),
  );

  readonly #trackId: string;
  readonly #ownCount: number;
  readonly #laneIds: ReadonlyMap<string, string>;
  readonly #seeks = new Debounced<number>((frame) => this.engine.seek(frame), SEEK_REST_MILLISECONDS);
  readonly #dispose: () => void;

  constructor(trackId: string, { stems: { stems: own, mix }, other, position }: Recording) {
    const [first] = own;
    if (!first) throw new Error("A track without stems cannot be mixed.");
    this.others = new Map((other?.stems ?? []).map((stem) => [stem.stem_type, stem]));
    const extra = (other?.stems ?? []).filter(({ stem_type: type }) => !own.some((stem) => stem.stem_type === type));
    const stems = [...own, ...extra];
    this.stems = stems;
    this.#ownCount = own.length;
    this.mix = mix;
    this.feed = (first as PlayedStem).live?.feed ?? null;
    this.isWhole = first.processing_job_id === "";
    this.hasSpectrograms = stems.every((stem: PlayedStem) => !stem.files && !stem.live && !stem.base);
    this.frameCount = first.frame_count;
    this.sampleRateHz = first.sample_rate_hz;
    this.waveScale = 0.95 / Math.max(0.05, ...stems.map((stem) => stem.peak));
    this.#trackId = trackId;
    const format = {
      sampleRateHz: first.sample_rate_hz,
      frameCount: first.frame_count,
      segmentFrames: first.segment_frame_count,
    };
    // This context only decodes. At the rate of the stems, nothing is resampled, so segments join exactly.
    const decoder = new OfflineAudioContext(1, 1, first.sample_rate_hz);
    const source = (stem: Stem) => sourceOf(stem, decoder);
    const silent = extra.map(({ stem_type: type }) => silentSource(`silent ${type}`, first.sample_rate_hz));
    const lanes = [...own.map(source), ...silent];
    this.#laneIds = new Map(stems.map((stem, index) => [stem.stem_type, lanes[index]?.id ?? ""]));
    const laneId = (name: string) => this.#laneIds.get(name) ?? "";
    this.engine = new Engine(format, lanes, {
      alternatives: new Map(
        other
          ? stems.map(({ stem_type: type }) => {
              const stem = this.others.get(type);
              return [laneId(type), stem ? source(stem) : silentSource(`silent other ${type}`, first.sample_rate_hz)];
            })
          : [],
      ),
      createContext: (sampleRate) => new AudioContext({ sampleRate, latencyHint: "interactive" }),
      original: mix && source(mix),
      onState: (state, error) => {
        batch(() => {
          this.state.value = state;
          if (state === "stopped") leaveFloor(this.#pause);
          this.problem.value = error instanceof Error ? error.message : "";
        });
      },
      onLoop: () => {
        if (!this.trainer.value) return;
        const { step, limit } = this.trainer.value;
        if (this.speed.value < limit)
          this.speed.value = Math.min(limit, Math.round(100 * (this.speed.value + step)) / 100);
      },
    });
    const saved = savedOf(trackId);
    this.engine.seek(position ?? (saved.seconds ?? 0) * this.sampleRateHz);
    this.lanes = signal(Object.fromEntries(stems.map(({ stem_type: name }) => [name, saved.lanes?.[name] ?? NEUTRAL])));
    this.master.value = saved.master ?? 1;
    this.speed.value = saved.speed ?? 1;
    this.semitones.value = saved.semitones ?? 0;
    this.loop.value = saved.loop && saved.loop.end <= this.frameCount ? saved.loop : null;
    this.loops.value = saved.loops ?? [];
    this.metronome.value = saved.metronome ?? false;
    this.countIn.value = saved.countIn ?? false;
    if (saved.corrections) this.music.corrections.value = saved.corrections;
    this.music.capo.value = saved.capo ?? 0;
    this.view.value = whole(this.frameCount, this.width.value);
    const effects = [
      effect(() => this.engine.setMix(new Map(stems.map(({ stem_type: type }) => [laneId(type), this.lane(type)])))),
      effect(() => this.engine.hearAlternatives(new Set([...this.switched.value].map(laneId)))),
      effect(() => this.engine.setMasterVolume(this.master.value)),
      effect(() => void this.engine.setStretch(this.speed.value, this.semitones.value).catch(this.#fail)),
      effect(() => {
        this.engine.setLoop(this.loop.value);
        if (!this.loop.value) this.trainer.value = null;
      }),
      effect(() => this.engine.setMetronome(this.metronome.value)),
      effect(() => this.engine.setGrid(this.music.grid.value)),
      effect(() => void this.engine.hearOriginal(this.hearsOriginal.value).catch(this.#fail)),
      effect(() => this.#write()),
    ];
    const write = () => this.#write();
    addEventListener("visibilitychange", write); // also before the page is left
    this.#dispose = () => {
      for (const dispose of effects) dispose();
      removeEventListener("visibilitychange", write);
      write();
    };
  }

  /** Whether the speed or the pitch is not that of the recording. */
  get isStretched(): boolean {
    return this.speed.value !== 1 || this.semitones.value !== 0;
  }

  /** The position that is heard, or that a seek leads to, in frames. */
  get position(): number {
    return this.#seeks.waiting ?? this.engine.position;
  }

  /** The stems of the first separation. */
  get ownStems(): readonly Stem[] {
    return this.stems.slice(0, this.#ownCount);
  }

  /** Settings of a lane, by the type of the stem. */
  lane(name: string): Lane {
    return this.lanes.value[name] ?? NEUTRAL;
  }

  /** The stem that a lane plays now; null if the separation that is heard has none of its type. */
  heardStem(name: string): Stem | null {
    if (this.switched.value.has(name)) return this.others.get(name) ?? null;
    return this.ownStems.find((stem) => stem.stem_type === name) ?? null;
  }

  /** The level of a lane. */
  level(name: string) {
    return this.engine.level(this.#laneIds.get(name) ?? "");
  }

  /** Play the other separation in a lane, or in all lanes, or the first one again. */
  switchTo(other: boolean, names: readonly string[] = this.stems.map((stem) => stem.stem_type)): void {
    const switched = new Set(this.switched.value);
    for (const name of names) {
      if (other) switched.add(name);
      else switched.delete(name);
    }
    this.switched.value = switched;
  }

  /** Let the bars begin at the beat that is nearest to the position. */
  beginBarsHere(): void {
    const { beats } = this.music.grid.value;
    const seconds = beats[nearestBeat(beats, this.position / this.sampleRateHz)];
    if (seconds !== undefined) this.music.correct({ bar_one_seconds: seconds }).catch(this.#fail);
  }

  change(name: string, change: Partial<Lane>): void {
    this.lanes.value = { ...this.lanes.value, [name]: { ...this.lane(name), ...change } };
  }

  toggle(): void {
    if (this.isPlaying.value) {
      this.engine.pause();
      return;
    }
    takeFloor(this.#pause);
    this.#seeks.flush();
    void this.engine.play(this.countIn.value).catch(this.#fail);
  }

  /** Go to a frame of the track. */
  seek(frame: number): void {
    const inside = Math.max(0, Math.min(frame, this.frameCount));
    this.#seeks.pass(inside);
    this.reveal(inside);
  }

  skip(seconds: number): void {
    this.seek(this.position + seconds * this.sampleRateHz);
  }

  /** Loop from `start` to `end`. A range that is too short ends the loop. What plays elsewhere goes to the start at once. */
  setLoop(start: number, end: number): void {
    const range = { start: Math.round(Math.max(0, start)), end: Math.round(Math.min(end, this.frameCount)) };
    const isLoop = range.end - range.start >= MIN_LOOP_SECONDS * this.sampleRateHz;
    const here = this.position;
    this.loop.value = isLoop ? range : null;
    if (isLoop && this.isPlaying.value && (here < range.start || here > range.end - 1)) this.seek(range.start);
  }

  /** Loop a part of the song, in seconds. */
  loopSeconds(start: number, end: number): void {
    this.setLoop(start * this.sampleRateHz, end * this.sampleRateHz);
  }

  /** Loop the saved loop at a frame, or else its bar. */
  loopAround(frame: number): void {
    const saved = this.loops.value.find(({ start, end }) => start <= frame && frame < end);
    const range = saved ?? barAround(frame / this.sampleRateHz, this.music.grid.value);
    if (saved) this.setLoop(saved.start, saved.end);
    else if (range) this.loopSeconds(range.start, range.end);
  }

  /** Return the frame of the nearest beat if it is close to `frame` on the screen, else `frame`. */
  snapped(frame: number): number {
    const { beats } = this.music.grid.value;
    const beat = beats[nearestBeat(beats, frame / this.sampleRateHz)];
    const near = beat === undefined ? Number.NaN : beat * this.sampleRateHz;
    return Math.abs(near - frame) <= SNAP_PIXELS * this.view.value.framesPerPixel ? near : frame;
  }

  /** Save the loop, instead of one with the same name. */
  saveLoop(name: string): void {
    if (!this.loop.value) return;
    const others = this.loops.value.filter((loop) => loop.name !== name);
    this.loops.value = [...others, { ...this.loop.value, name }].sort((a, b) => a.start - b.start);
  }

  forgetLoop(name: string): void {
    this.loops.value = this.loops.value.filter((loop) => loop.name !== name);
  }

  /** Loop the visible part, or end the loop. */
  toggleLoop(): void {
    const { start, framesPerPixel } = this.view.value;
    if (this.loop.value) this.loop.value = null;
    else this.setLoop(start, start + this.width.value * framesPerPixel);
  }

  loopFromHere(): void {
    const here = this.position;
    const end = this.loop.value?.end ?? this.frameCount;
    this.setLoop(here, end > here ? end : this.frameCount);
  }

  loopToHere(): void {
    const here = this.position;
    const start = this.loop.value?.start ?? 0;
    this.setLoop(start < here ? start : 0, here);
  }

  /** Zoom by `factor` around `x`, by default the position. */
  zoom(factor: number, x = (this.position - this.view.value.start) / this.view.value.framesPerPixel): void {
    const inside = Math.max(0, Math.min(x, this.width.value));
    this.view.value = zoomed(this.view.value, factor, inside, this.frameCount, this.width.value);
  }

  scroll(pixels: number): void {
    const { start, framesPerPixel } = this.view.value;
    this.show({ start: start + pixels * framesPerPixel, framesPerPixel });
  }

  showAll(): void {
    this.show(whole(this.frameCount, this.width.value));
  }

  show(view: View): void {
    this.view.value = bounded(view, this.frameCount, this.width.value);
  }

  get showsAll(): boolean {
    return this.view.value.framesPerPixel >= whole(this.frameCount, this.width.value).framesPerPixel - 1e-9;
  }

  resize(width: number): void {
    const { showsAll } = this;
    this.width.value = width;
    if (showsAll) this.showAll();
    else this.show(this.view.value);
  }

  /** Scroll so that `frame` is visible. */
  reveal(frame: number): void {
    const { start, framesPerPixel } = this.view.value;
    const x = (frame - start) / framesPerPixel;
    if (x < 0 || x > this.width.value)
      this.show({ start: frame - 0.1 * this.width.value * framesPerPixel, framesPerPixel });
  }

  /** Return the manifest of the DAW export for what the mixer plays. */
  manifest(format: string): string {
    const stems = this.ownStems.map(({ stem_type: name }) => {
      const { volume, pan, mute, solo } = this.lane(name);
      return { name, volume: Math.min(2, volume * this.master.value), pan, mute, solo };
    });
    return JSON.stringify({ version: 1, format, speed: this.speed.value, semitones: this.semitones.value, stems });
  }

  async close(): Promise<void> {
    this.#dispose();
    this.#seeks.cancel();
    leaveFloor(this.#pause);
    await this.engine.close();
  }

  readonly #pause = () => {
    if (this.isPlaying.value) this.engine.pause();
  };

  readonly #fail = (error: unknown) => {
    this.problem.value = error instanceof Error ? error.message : String(error);
  };

  #write(): void {
    const here = this.position;
    const changed: Saved = {
      seconds: here < this.frameCount ? here / this.sampleRateHz : 0,
      lanes: this.lanes.value,
      master: this.master.value,
      speed: this.speed.value,
      semitones: this.semitones.value,
      loop: this.loop.value,
      loops: this.loops.value,
      metronome: this.metronome.value,
      countIn: this.countIn.value,
      corrections: this.music.corrections.value,
      capo: this.music.capo.value,
    };
    save(this.#trackId, changed);
  }
}
