/** Clicks on the beats of a track. */

import { beatSeconds, firstBeatFrom, type Grid, isDownbeat } from "./bars.ts";

const CLICK_SECONDS = 0.03;
const ACCENT_HZ = 1760;
const BEAT_HZ = 1175;

/** A click of the count-in. */
interface Click {
  /** Time since the beginning of the count-in, in seconds of the track. */
  readonly seconds: number;
  readonly accent: boolean;
}

/** Return the clicks before playback begins at `position`: one bar, in step with the beats and bars that follow. */
export function countIn(grid: Grid, position: number, interval: number): readonly Click[] {
  const { beats, beatsPerBar } = grid;
  const next = firstBeatFrom(beats, position);
  const wait = (beats[next] ?? position) - position;
  const phase = wait < interval ? wait : 0;
  return Array.from({ length: beatsPerBar }, (_, click) => ({
    seconds: phase + click * interval,
    accent: isDownbeat(grid, next - beatsPerBar + click),
  }));
}

/** Schedules clicks. */
export class Metronome {
  /** The switch of the clicks on beats. The count-in does not pass it. */
  readonly output: GainNode;
  readonly #destination: AudioNode;
  readonly #accent: AudioBuffer;
  readonly #beat: AudioBuffer;

  constructor(destination: AudioNode) {
    const { context } = destination;
    this.output = new GainNode(context, { gain: 0 });
    this.output.connect(destination);
    this.#destination = destination;
    this.#accent = click(context, ACCENT_HZ);
    this.#beat = click(context, BEAT_HZ);
  }

  /** Schedule the beats between two positions, in seconds of the track. The first position sounds at `time`. */
  clicks(grid: Grid, start: number, end: number, time: number, speed: number): AudioBufferSourceNode[] {
    const sources: AudioBufferSourceNode[] = [];
    for (let beat = firstBeatFrom(grid.beats, start); beat < grid.beats.length; beat++) {
      const seconds = grid.beats[beat] ?? end;
      if (seconds >= end) break;
      sources.push(this.#click(time + (seconds - start) / speed, isDownbeat(grid, beat), this.output));
    }
    return sources;
  }

  /** Schedule one bar of clicks from `time` on, which leads to `position`. Return its length in seconds. */
  countIn(grid: Grid, position: number, time: number, speed: number): number {
    const interval = beatSeconds(grid.beats, position);
    for (const { seconds, accent } of countIn(grid, position, interval)) {
      this.#click(time + seconds / speed, accent, this.#destination);
    }
    return (grid.beatsPerBar * interval) / speed;
  }

  #click(time: number, accent: boolean, destination: AudioNode): AudioBufferSourceNode {
    const { context } = destination;
    const source = new AudioBufferSourceNode(context, { buffer: accent ? this.#accent : this.#beat });
    source.connect(destination);
    source.start(Math.max(time, context.currentTime));
    return source;
  }
}

function click(context: BaseAudioContext, frequency: number): AudioBuffer {
  const length = Math.round(CLICK_SECONDS * context.sampleRate);
  const buffer = new AudioBuffer({ length, sampleRate: context.sampleRate });
  const samples = buffer.getChannelData(0);
  for (let frame = 0; frame < length; frame++) {
    const seconds = frame / context.sampleRate;
    samples[frame] = 0.5 * Math.sin(2 * Math.PI * frequency * seconds) * Math.exp((-6 * seconds) / CLICK_SECONDS);
  }
  return buffer;
}
