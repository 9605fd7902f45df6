/** The line of a melody. Pure functions. */

const OCTAVE = 12;
const A4_HZ = 440;
const A4_PITCH = 69;
/** The line breaks where the pitch jumps by more semitones than this. */
const JUMP_SEMITONES = 4;
/** Single wrong pitches do not press the others together: this share of the lowest and of the highest ones may be out of sight. */
const OUTLIERS = 0.03;

export interface Melody {
  /** In semitones, 69 is A4. Not a number where nobody sings. */
  readonly pitches: Float32Array;
  readonly hopSeconds: number;
  /** What most pitches are between; null without any. */
  readonly range: readonly [number, number] | null;
}

export function melodyOf(frequencies: readonly number[], hopSeconds: number): Melody {
  const pitches = Float32Array.from(frequencies, (hertz) =>
    hertz > 0 ? A4_PITCH + OCTAVE * Math.log2(hertz / A4_HZ) : Number.NaN,
  );
  const sung = pitches.filter((pitch) => pitch > 0).sort();
  const low = sung[Math.floor(OUTLIERS * sung.length)];
  const high = sung[Math.ceil((1 - OUTLIERS) * sung.length) - 1];
  return { pitches, hopSeconds, range: low === undefined || high === undefined ? null : [low, high] };
}

interface Line {
  moveTo(x: number, y: number): void;
  lineTo(x: number, y: number): void;
}

/** Draw the values from `first` to before `last`, with no more points than the resolution of a pixel needs. */
export function traceMelody(
  line: Line,
  pitches: Float32Array,
  [first, last]: readonly [number, number],
  x: (index: number) => number,
  y: (pitch: number) => number,
): void {
  let before = Number.NaN;
  let [drawnX, drawnY] = [0, 0];
  const draw = (end: "moveTo" | "lineTo", atX: number, atY: number) => {
    line[end](atX, atY);
    [drawnX, drawnY] = [atX, atY];
  };
  for (let index = Math.max(0, first); index <= Math.min(last, pitches.length); index++) {
    const pitch = index < last ? (pitches[index] ?? Number.NaN) : Number.NaN;
    if (Math.abs(pitch - before) < JUMP_SEMITONES) {
      const [atX, atY] = [x(index), y(pitch)];
      if (atX - drawnX >= 1 || Math.abs(atY - drawnY) >= 1) draw("lineTo", atX, atY);
    } else {
      if (before > 0 && x(index - 1) > drawnX) draw("lineTo", x(index - 1), y(before));
      if (pitch > 0) draw("moveTo", x(index), y(pitch));
    }
    before = pitch;
  }
}
