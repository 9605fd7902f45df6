/** Clicks on the beats of a track. */

const CLICK_SECONDS = 0.03;
const ACCENT_HZ = 1760;
const BEAT_HZ = 1175;
export const BEATS_PER_BAR = 4;

/** The beats of a track. */
export interface Beats {
  readonly seconds: readonly number[];
  /** Index of a beat at which a bar begins. */
  readonly firstDownbeat: number;
}

/** Return the index of the first beat at or after `seconds`. */
export function firstBeatFrom(beats: readonly number[], seconds: number): number {
  let low = 0;
  let high = beats.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((beats[middle] ?? 0) < seconds) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Return the time between beats around `seconds`: the median of the nearest eight, 0.5 s if there are too few beats. */
export function beatSeconds(beats: readonly number[], seconds: number): number {
  const middle = firstBeatFrom(beats, seconds);
  const first = Math.max(0, Math.min(middle - 4, beats.length - 9));
  const near = beats.slice(first, first + 9);
  const gaps = near.slice(1).map((beat, index) => beat - (near[index] ?? 0));
  return gaps.sort((a, b) => a - b)[gaps.length >> 1] ?? 0.5;
}

/** Return whether bars begin at a beat, also before the first bar. */
export function isDownbeat(beat: number, firstDownbeat: number): boolean {
  return (beat - firstDownbeat) % BEATS_PER_BAR === 0;
}

/** Return the index of the beat that is nearest to `seconds`. */
export function nearestBeat(beats: readonly number[], seconds: number): number {
  const after = firstBeatFrom(beats, seconds);
  const gap = (beat: number) => Math.abs((beats[beat] ?? Number.POSITIVE_INFINITY) - seconds);
  return after > 0 && gap(after - 1) <= gap(after) ? after - 1 : after;
}

/** Return the bar around a time, in seconds; null if there are not enough beats. */
export function barAround(
  seconds: number,
  beats: readonly number[],
  firstDownbeat: number,
): { start: number; end: number } | null {
  const beat = firstBeatFrom(beats, seconds + 1e-6) - 1;
  const first = firstDownbeat + Math.floor((beat - firstDownbeat) / BEATS_PER_BAR) * BEATS_PER_BAR;
  const [start, end] = [beats[Math.max(0, first)], beats[first + BEATS_PER_BAR] ?? beats.at(-1)];
  return start !== undefined && end !== undefined && start < end ? { start, end } : null;
}

/** A click of the count-in. */
interface Click {
  /** Time since the beginning of the count-in, in seconds of the track. */
  readonly seconds: number;
  readonly accent: boolean;
}

/** Return the clicks before playback begins at `position`: one bar, in step with the beats and bars that follow. */
export function countIn(
  beats: readonly number[],
  firstDownbeat: number,
  position: number,
  interval: number,
): readonly Click[] {
  const next = firstBeatFrom(beats, position);
  const wait = (beats[next] ?? position) - position;
  const phase = wait < interval ? wait : 0;
  return Array.from({ length: BEATS_PER_BAR }, (_, click) => ({
    seconds: phase + click * interval,
    accent: isDownbeat(next - BEATS_PER_BAR + click, firstDownbeat),
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
  clicks(beats: Beats, start: number, end: number, time: number, speed: number): AudioBufferSourceNode[] {
    const sources: AudioBufferSourceNode[] = [];
    for (let beat = firstBeatFrom(beats.seconds, start); beat < beats.seconds.length; beat++) {
      const seconds = beats.seconds[beat] ?? end;
      if (seconds >= end) break;
      sources.push(this.#click(time + (seconds - start) / speed, isDownbeat(beat, beats.firstDownbeat), this.output));
    }
    return sources;
  }

  /** Schedule one bar of clicks from `time` on, which leads to `position`. Return its length in seconds. */
  countIn(beats: Beats, position: number, time: number, speed: number): number {
    const interval = beatSeconds(beats.seconds, position);
    for (const { seconds, accent } of countIn(beats.seconds, beats.firstDownbeat, position, interval)) {
      this.#click(time + seconds / speed, accent, this.#destination);
    }
    return (BEATS_PER_BAR * interval) / speed;
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
