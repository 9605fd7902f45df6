/** The state of the mixer, and the gains that follow from it. The law is that of the server's DAW export. */

/** Settings of one lane of the mixer. */
export interface Lane {
  /** Linear gain, 0 to {@link MAX_VOLUME}. */
  readonly volume: number;
  /** -1 (left) to 1 (right). */
  readonly pan: number;
  readonly mute: boolean;
  readonly solo: boolean;
}

/** Factors of the left and the right channel. */
export interface Balance {
  readonly left: number;
  readonly right: number;
}

export const MAX_VOLUME = 2;
/** Lowest level that a fader shows; below it is silence. */
export const MIN_DECIBELS = -60;
export const MAX_DECIBELS = 6;
export const NEUTRAL: Lane = { volume: 1, pan: 0, mute: false, solo: false };

/**
 * Return the gains of the constant-power pan law: with `a = pan * pi / 4`, left `cos a - sin a`, right `cos a + sin a`.
 *
 * This is 0 dB at the centre and +3.01 dB at the side for stereo lanes. Mono lanes are 3.01 dB lower in each channel.
 */
export function balance(volume: number, pan: number, channelCount: number): Balance {
  const angle = (pan * Math.PI) / 4;
  const level = volume * (channelCount === 1 ? Math.SQRT1_2 : 1);
  // At the sides, one channel is silent: its factor is 0, not a rounding error.
  const gain = (side: number) => Math.round((Math.cos(angle) + side * Math.sin(angle)) * 1e15) / 1e15;
  return { left: gain(-1) * level, right: gain(1) * level };
}

/** Return whether a lane is audible: it is not muted, and it is solo or no lane is. */
export function isHeard(lane: Lane, all: Iterable<Lane>): boolean {
  if (lane.mute) return false;
  return lane.solo || ![...all].some((other) => other.solo);
}

/** Return the level of a linear gain in dB; `-Infinity` for 0. */
export function toDecibels(gain: number): number {
  return 20 * Math.log10(gain);
}

/** Return the linear gain of a level in dB. Levels at or below {@link MIN_DECIBELS} are silent. */
export function toGain(decibels: number): number {
  return decibels <= MIN_DECIBELS ? 0 : Math.min(MAX_VOLUME, 10 ** (decibels / 20));
}

/** Return a level as text, for example `-3.5 dB`. */
export function decibelText(decibels: number): string {
  if (decibels <= MIN_DECIBELS) return "silent";
  const rounded = Math.round(decibels * 10) / 10 || 0;
  return `${rounded > 0 ? "+" : ""}${rounded.toFixed(1)} dB`;
}

/** Return a pan position as text, for example `30% left`. */
export function panText(pan: number): string {
  const percent = Math.round(Math.abs(pan) * 100);
  return percent === 0 ? "centre" : `${percent}% ${pan < 0 ? "left" : "right"}`;
}
