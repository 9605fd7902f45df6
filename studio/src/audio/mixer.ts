/** The nodes between the sources and the output: strips, the choice of what is heard, the gate, the master and the meters. */

import { Metronome } from "./metronome.ts";
import { isHeard, type Lane, NEUTRAL } from "./mix.ts";
import type { LaneSource } from "./segments.ts";
import { type Level, Meter, SILENCE, Strip, setGain } from "./strip.ts";

const FADE_SECONDS = 0.005;

/** What is heard. It outlives the nodes, and is set before there are any. */
export interface Settings {
  /** By the IDs of the lanes. */
  readonly lanes: Map<string, Lane>;
  masterVolume: number;
  hearsOriginal: boolean;
  /** IDs of the lanes whose alternatives are heard. */
  switched: ReadonlySet<string>;
  clicks: boolean;
}

export function initialSettings(): Settings {
  return { lanes: new Map(), masterVolume: 1, hearsOriginal: false, switched: new Set(), clicks: false };
}

export class Mixer {
  readonly context: BaseAudioContext;
  readonly metronome: Metronome;
  readonly #settings: Readonly<Settings>;
  readonly #lanes: readonly LaneSource[];
  readonly #alternatives: ReadonlyMap<string, LaneSource>;
  readonly #strips = new Map<string, Strip>();
  /** Where each source goes, by its ID: one gain for each lane, and one for each alternative. */
  readonly #inputs = new Map<string, GainNode>();
  readonly #stems: GainNode;
  readonly #original: GainNode;
  /** Fades in and out at every start and stop. */
  readonly #gate: GainNode;
  readonly #master: GainNode;
  readonly #meter: Meter;
  #inserted: AudioNode | null = null;

  constructor(
    context: BaseAudioContext,
    lanes: readonly LaneSource[],
    alternatives: ReadonlyMap<string, LaneSource>,
    settings: Readonly<Settings>,
  ) {
    this.context = context;
    this.#lanes = lanes;
    this.#alternatives = alternatives;
    this.#settings = settings;
    const stereo = () => new GainNode(context, { channelCount: 2 });
    this.#stems = stereo();
    this.#original = stereo();
    this.#gate = stereo();
    this.#master = stereo();
    this.metronome = new Metronome(this.#master);
    for (const lane of lanes) this.#addLane(lane);
    this.#stems.connect(this.#gate);
    this.#original.connect(this.#gate);
    this.#gate.connect(this.#master);
    this.#master.connect(context.destination);
    this.#meter = new Meter(this.#master);
    this.applyLanes(false);
    this.applySides(false);
    this.applyMaster(false);
    this.applyClicks(false);
  }

  /** Where the source with this ID goes. */
  input(sourceId: string): AudioNode {
    return this.#inputs.get(sourceId) ?? this.#original;
  }

  /** Let the sum pass through `node`; null connects it to the output. */
  insert(node: AudioNode | null): void {
    this.#gate.disconnect();
    this.#inserted?.disconnect();
    this.#inserted = node;
    if (node) this.#gate.connect(node).connect(this.#master);
    else this.#gate.connect(this.#master);
  }

  /** Set volume, pan, mute and solo of the lanes. With `smooth`, over a few milliseconds. */
  applyLanes(smooth: boolean): void {
    const mixed = this.#lanes.map((lane) => this.#settings.lanes.get(lane.id) ?? NEUTRAL);
    this.#lanes.forEach((lane, index) => {
      const { volume, pan } = mixed[index] ?? NEUTRAL;
      this.#strips.get(lane.id)?.set(volume, pan, isHeard(mixed[index] ?? NEUTRAL, mixed), smooth);
    });
  }

  /** Switch between the lanes and the original, and between lanes and their alternatives. */
  applySides(smooth: boolean): void {
    const { hearsOriginal, switched } = this.#settings;
    setGain(this.#stems, hearsOriginal ? 0 : 1, smooth);
    setGain(this.#original, hearsOriginal ? 1 : 0, smooth);
    for (const [laneId, { id }] of this.#alternatives) {
      const [input, other] = [this.#inputs.get(laneId), this.#inputs.get(id)];
      if (input) setGain(input, switched.has(laneId) ? 0 : 1, smooth);
      if (other) setGain(other, switched.has(laneId) ? 1 : 0, smooth);
    }
  }

  applyMaster(smooth: boolean): void {
    setGain(this.#master, this.#settings.masterVolume, smooth);
  }

  applyClicks(smooth: boolean): void {
    setGain(this.metronome.output, this.#settings.clicks ? 1 : 0, smooth);
  }

  /** Be silent from `silentFrom` on, and sound from `audibleFrom` on, at once or with a short fade. Both are times of the context. */
  open(silentFrom: number, audibleFrom: number, fades: boolean): void {
    const { gain } = this.#gate;
    gain.cancelScheduledValues(silentFrom);
    gain.setValueAtTime(fades ? 0 : 1, silentFrom);
    if (!fades) return;
    gain.setValueAtTime(0, audibleFrom);
    gain.linearRampToValueAtTime(1, audibleFrom + FADE_SECONDS);
  }

  /** Fade out now. Return the time at which it is silent. */
  close(): number {
    const { gain } = this.#gate;
    const now = this.context.currentTime;
    gain.cancelScheduledValues(now);
    gain.setValueAtTime(gain.value, now);
    gain.linearRampToValueAtTime(0, now + FADE_SECONDS);
    return now + FADE_SECONDS;
  }

  /** The level of a lane. */
  level(laneId: string): Level {
    return this.#strips.get(laneId)?.meter.read() ?? SILENCE;
  }

  /** The level of what is heard. */
  masterLevel(): Level {
    return this.#meter.read();
  }

  #addLane({ id, channelCount }: LaneSource): void {
    const strip = new Strip(this.context, channelCount);
    strip.output.connect(this.#stems);
    this.#strips.set(id, strip);
    for (const sourceId of [id, this.#alternatives.get(id)?.id]) {
      if (sourceId === undefined) continue;
      const input = new GainNode(this.context);
      input.connect(strip.input);
      this.#inputs.set(sourceId, input);
    }
  }
}
