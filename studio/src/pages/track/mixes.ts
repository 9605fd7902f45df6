/** Which stems are heard, by name. Own mixes are kept in this browser, for all tracks. */

import { signal } from "@preact/signals";

const KEY = "soundwright.mixes";

export interface Mix {
  readonly name: string;
  /** Types of the stems that are muted. */
  readonly muted: readonly string[];
}

export const ownMixes = signal<readonly Mix[]>(read());

const BUILT_IN: readonly { name: string; without?: string[]; only?: string[] }[] = [
  { name: "all stems", without: [] },
  { name: "without vocals", without: ["vocals"] },
  { name: "without drums", without: ["drums"] },
  { name: "without bass", without: ["bass"] },
  { name: "only vocals", only: ["vocals"] },
  { name: "only drums and bass", only: ["drums", "bass"] },
];

/** Return the mixes that stems of these types offer. An own mix replaces one with the same name. */
export function mixesOf(types: readonly string[], own: readonly Mix[]): readonly Mix[] {
  const found = BUILT_IN.filter(({ without, only }) =>
    [...(without ?? only ?? [])].every((type) => types.includes(type)),
  )
    .map(({ name, without, only }) => ({ name, muted: without ?? types.filter((type) => !only?.includes(type)) }))
    .filter(({ muted }) => muted.length < types.length);
  return [...found.filter(({ name }) => !own.some((one) => one.name === name)), ...own];
}

/** Return the mix that mutes these stems, of a track with stems of `types`. */
export function mixThatMutes(
  muted: readonly string[],
  types: readonly string[],
  mixes: readonly Mix[],
): Mix | undefined {
  return mixes.find((mix) => types.every((type) => mix.muted.includes(type) === muted.includes(type)));
}

export function saveMix(mix: Mix): void {
  write([...ownMixes.value.filter(({ name }) => name !== mix.name), mix]);
}

export function forgetMix(name: string): void {
  write(ownMixes.value.filter((mix) => mix.name !== name));
}

function read(): readonly Mix[] {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? "[]") as Mix[];
  } catch {
    return [];
  }
}

function write(mixes: readonly Mix[]): void {
  localStorage.setItem(KEY, JSON.stringify(mixes));
  ownMixes.value = mixes;
}
