/** Keys and pitch classes: their names, and what transposition makes of them. */

/** The tonics as the API names them. */
export const TONICS = ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"] as const;
const SHARPS = TONICS.map((name) => name.replace("#", "♯"));
const FLATS = ["C", "D♭", "D", "E♭", "E", "F", "G♭", "G", "A♭", "A", "B♭", "B"] as const;
const FLAT_MAJORS: ReadonlySet<number> = new Set([1, 3, 5, 8, 10]);
const MINOR_THIRD = 3;
const OCTAVE = 12;

/** Return the names of the pitch classes from C to B, with flats if the key, such as "A# major", has flats. */
export function pitchNames(key: string): readonly string[] {
  const [tonic = "", mode] = key.split(" ");
  const pitchClass = pitchClassOf(tonic);
  if (pitchClass < 0) return SHARPS;
  const major = mode === "minor" ? (pitchClass + MINOR_THIRD) % OCTAVE : pitchClass;
  return FLAT_MAJORS.has(major) ? FLATS : SHARPS;
}

/** Return a key of the API such as `A minor`, moved by semitones; empty if it is unknown, or between two keys. */
export function transposedKey(key: string, semitones: number): string {
  const [tonic = "", mode] = key.split(" ");
  const pitchClass = pitchClassOf(tonic);
  if (pitchClass < 0 || !Number.isInteger(semitones)) return semitones === 0 ? key : "";
  return `${TONICS[moved(pitchClass, semitones)] ?? ""} ${mode ?? ""}`;
}

/** Return a key as musicians write it, such as `B♭ minor` for `A# minor`. */
export function keyText(key: string): string {
  const [tonic = "", mode] = key.split(" ");
  const name = pitchNames(key)[pitchClassOf(tonic)];
  return name ? `${name} ${mode ?? ""}` : key;
}

/** Return the semitones from one key to another with the same mode, the shorter way: -5 to 6. */
export function semitonesBetween(key: string, other: string): number {
  const [from, to] = [key, other].map((name) => pitchClassOf(name.split(" ")[0] ?? ""));
  const up = moved(to ?? 0, -(from ?? 0));
  return up > OCTAVE / 2 ? up - OCTAVE : up;
}

/** Return the pitch class of a name such as `F#`, `F♯` or `Gb`; -1 if it is none. */
export function pitchClassOf(name: string): number {
  const spelled = name.replace("#", "♯").replace(/(?<=.)b/, "♭");
  return Math.max(
    SHARPS.indexOf(spelled),
    FLATS.findIndex((one) => one === spelled),
  );
}

/** Return a pitch class moved by semitones. */
export function moved(pitchClass: number, semitones: number): number {
  return (((pitchClass + semitones) % OCTAVE) + OCTAVE) % OCTAVE;
}
