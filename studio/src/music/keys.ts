/** Keys and pitch classes: their names, and what transposition makes of them. */

/** The pitch classes from C to B, as the API names tonics. Many fonts lack ♯ and ♭. */
export const TONICS = ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"] as const;
/** What musicians write where no key signature decides. */
const USUAL = ["C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"] as const;
const FLATS = ["C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B"] as const;
const FLAT_MAJORS: ReadonlySet<number> = new Set([1, 3, 5, 8, 10]);
const MINOR_THIRD = 3;
const OCTAVE = 12;

/** Return the names of the pitch classes from C to B, with flats if the key, such as "A# major", has flats. C major has both. */
export function pitchNames(key: string): readonly string[] {
  const [tonic = "", mode] = key.split(" ");
  const pitchClass = pitchClassOf(tonic);
  if (pitchClass < 0) return USUAL;
  const major = mode === "minor" ? (pitchClass + MINOR_THIRD) % OCTAVE : pitchClass;
  return FLAT_MAJORS.has(major) ? FLATS : major === 0 ? USUAL : TONICS;
}

/** Return a key of the API such as `A minor`, moved by semitones; empty if it is unknown, or between two keys. */
export function transposedKey(key: string, semitones: number): string {
  const [tonic = "", mode] = key.split(" ");
  const pitchClass = pitchClassOf(tonic);
  if (pitchClass < 0 || !Number.isInteger(semitones)) return semitones === 0 ? key : "";
  return `${TONICS[moved(pitchClass, semitones)] ?? ""} ${mode ?? ""}`;
}

/** Return a key as musicians write it, such as `Bb minor` for `A# minor`. */
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

/** Return the pitch class of a name such as `F#` or `Gb`; -1 if it is none. */
export function pitchClassOf(name: string): number {
  return Math.max(TONICS.indexOf(name as "C"), FLATS.indexOf(name as "C"));
}

/** Return the name of a MIDI pitch, such as `C4` for 60. */
export function noteName(pitch: number): string {
  return `${TONICS[moved(pitch, 0)] ?? ""}${Math.floor(pitch / OCTAVE) - 1}`;
}

/** Return a pitch class moved by semitones. */
export function moved(pitchClass: number, semitones: number): number {
  return (((pitchClass + semitones) % OCTAVE) + OCTAVE) % OCTAVE;
}
