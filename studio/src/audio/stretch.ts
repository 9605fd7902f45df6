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

/** Whether speed and pitch can change. Browsers have worklets only on pages of HTTPS, and of this computer. */
export const canStretch = "AudioWorkletNode" in globalThis;

/** The speed and the pitch of playback. */
export class Stretch {
  /** 0.5 to 2, at constant pitch. */
  speed = 1;
  /** Transposition at constant speed. */
  semitones = 0;
  #shifter: PitchShifter | null = null;

  /** The node that the sum passes; null if nothing is to be shifted. */
  get node(): AudioNode | null {
    return this.isActive ? (this.#shifter?.node ?? null) : null;
  }

  get isActive(): boolean {
    return this.speed !== 1 || this.semitones !== 0;
  }

  get latencySeconds(): number {
    return this.isActive ? (this.#shifter?.latencySeconds ?? 0) : 0;
  }

  /** Load the pitch shifter. */
  async prepare(context: BaseAudioContext): Promise<void> {
    if (this.#shifter) return;
    this.#shifter = await PitchShifter.create(context);
    await this.apply();
  }

  /** Let the pitch shifter undo what the speed does to the pitch, and transpose. */
  async apply(): Promise<void> {
    await this.#shifter?.shift(this.semitones - 12 * Math.log2(this.speed));
  }
}

/** Shifts the pitch of a stereo signal. */
class PitchShifter {
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
