/** A channel strip: gains of the left and the right channel, and their meters. */

import { type Balance, balance } from "./mix.ts";

const RAMP_SECONDS = 0.015;
const METER_FRAMES = 2048;

/** Peak sample values since the last reading, 1 is full scale. */
export interface Level {
  readonly left: number;
  readonly right: number;
}

export const SILENCE: Level = { left: 0, right: 0 };

/** Reads the level of a node. */
export class Meter {
  readonly #analysers: AnalyserNode[];
  readonly #samples = new Float32Array(METER_FRAMES);

  constructor(node: AudioNode) {
    const { context } = node;
    const splitter = new ChannelSplitterNode(context, { numberOfOutputs: 2 });
    node.connect(splitter);
    this.#analysers = [0, 1].map((channel) => {
      const analyser = new AnalyserNode(context, { fftSize: METER_FRAMES });
      splitter.connect(analyser, channel);
      return analyser;
    });
  }

  read(): Level {
    const [left = 0, right = 0] = this.#analysers.map((analyser) => {
      analyser.getFloatTimeDomainData(this.#samples);
      return this.#samples.reduce((peak, sample) => Math.max(peak, Math.abs(sample)), 0);
    });
    return { left, right };
  }
}

/** The nodes of a lane: `input` takes mono or stereo, `output` is stereo. */
export class Strip {
  readonly input: GainNode;
  readonly output: ChannelMergerNode;
  readonly meter: Meter;
  readonly #left: GainNode;
  readonly #right: GainNode;
  readonly #channelCount: number;

  constructor(context: BaseAudioContext, channelCount: number) {
    // Mono goes to both channels.
    this.input = new GainNode(context, { channelCount: 2, channelCountMode: "explicit" });
    this.#left = new GainNode(context);
    this.#right = new GainNode(context);
    this.output = new ChannelMergerNode(context, { numberOfInputs: 2 });
    this.#channelCount = channelCount;
    const splitter = new ChannelSplitterNode(context, { numberOfOutputs: 2 });
    this.input.connect(splitter);
    splitter.connect(this.#left, 0).connect(this.output, 0, 0);
    splitter.connect(this.#right, 1).connect(this.output, 0, 1);
    this.meter = new Meter(this.output);
  }

  /** Set the gains. Without `smooth` they change at once. */
  set(volume: number, pan: number, heard: boolean, smooth: boolean): void {
    const gains: Balance = heard ? balance(volume, pan, this.#channelCount) : { left: 0, right: 0 };
    setGain(this.#left, gains.left, smooth);
    setGain(this.#right, gains.right, smooth);
  }
}

/** Set a gain, over a few milliseconds if `smooth`, so that it does not click. It reaches the value exactly. */
export function setGain(node: GainNode, value: number, smooth: boolean): void {
  const { gain, context } = node;
  const now = context.currentTime;
  gain.cancelScheduledValues(now);
  if (smooth) {
    gain.setValueAtTime(gain.value, now);
    gain.linearRampToValueAtTime(value, now + RAMP_SECONDS);
  } else {
    gain.setValueAtTime(value, now);
  }
}
