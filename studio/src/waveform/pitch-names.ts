/** Names of the twelve pitch classes. */

const SHARPS = ["C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B"] as const;
const FLATS = ["C", "D♭", "D", "E♭", "E", "F", "G♭", "G", "A♭", "A", "B♭", "B"] as const;
const FLAT_MAJORS: ReadonlySet<number> = new Set([1, 3, 5, 8, 10]);
const MINOR_THIRD = 3;

/** Return the names of the pitch classes from C to B, with flats if the key, such as "A# major", has flats. */
export function pitchNames(key: string): readonly string[] {
  const [tonic = "", mode] = key.replace("#", "♯").split(" ");
  const pitchClass = SHARPS.findIndex((name) => name === tonic);
  if (pitchClass < 0) return SHARPS;
  const major = mode === "minor" ? (pitchClass + MINOR_THIRD) % SHARPS.length : pitchClass;
  return FLAT_MAJORS.has(major) ? FLATS : SHARPS;
}
