/** The pitch shifter: Signalsmith Stretch, compiled to WebAssembly, in an AudioWorklet. */

import moduleUrl from "signalsmith-stretch?url";

interface StretchNode extends AudioWorkletNode {
  schedule(change: { active: boolean; semitones: number; output?: number }): Promise<unknown>;
  latency(): Promise<number>;
}

interface StretchModule {
  default: {
    (context: BaseAudioContext): Promise<StretchNode>;
    moduleUrl?: string;
  };
}

/** Shifts the pitch of a stereo signal. */
export class PitchShifter {
  readonly node: AudioNode;
  /** Time from the input to the output. */
  readonly latencySeconds: number;
  readonly #stretch: StretchNode;

  private constructor(stretch: StretchNode, latencySeconds: number) {
    this.node = stretch;
    this.#stretch = stretch;
    this.latencySeconds = latencySeconds;
  }

  static async create(context: BaseAudioContext): Promise<PitchShifter> {
    // The same file is the module of the page and of the worklet. Without `moduleUrl`, the library would make a blob: URL, which the
    // Content-Security-Policy forbids.
    const { default: stretch } = (await import(/* @vite-ignore */ moduleUrl)) as StretchModule;
    stretch.moduleUrl = moduleUrl;
    const node = await stretch(context);
    return new PitchShifter(node, await node.latency());
  }

  /** Shift the pitch by `semitones` from now on. */
  async shift(semitones: number): Promise<void> {
    await this.#stretch.schedule({ active: true, semitones });
  }
}
