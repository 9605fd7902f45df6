/** Clicks on the beats of a track. */

const CLICK_SECONDS = 0.03;
const ACCENT_HZ = 1760;
const BEAT_HZ = 1175;
export const BEATS_PER_BAR = 4;

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

/** Schedules clicks on a node that makes them audible or not. */
export class Metronome {
  readonly output: GainNode;
  readonly #accent: AudioBuffer;
  readonly #beat: AudioBuffer;

  constructor(context: BaseAudioContext) {
    this.output = new GainNode(context, { gain: 0 });
    this.#accent = click(context, ACCENT_HZ);
    this.#beat = click(context, BEAT_HZ);
  }

  /** Return a source that clicks at `time`. `output` is where it goes; by default through the switch of the metronome. */
  click(time: number, accent: boolean, output: AudioNode = this.output): AudioBufferSourceNode {
    const source = new AudioBufferSourceNode(output.context, { buffer: accent ? this.#accent : this.#beat });
    source.connect(output);
    source.start(Math.max(time, output.context.currentTime));
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
