/** What a model understood of a prompt, in words. */

import type { Clip } from "../../api/client.ts";

export type Interpretation = NonNullable<Clip["interpretation"]>;

const IGNORED: Readonly<Record<string, string>> = {
  duration: "the length, because a loop has whole bars of the tempo that you asked for",
  continue_from: "the earlier clip, which was joined as it is",
};

/** Style, tempo and key of a clip, or its sounds: "bossa, 128 BPM, D major". */
export function summaryOf({ style, tempo_bpm: tempo, key, sounds }: Interpretation): string {
  if (style === null) return sounds.join(", ");
  return [style, tempo === null ? "" : `${Math.round(tempo * 10) / 10} BPM`, key].filter(Boolean).join(", ");
}

/** Names and values of all that was understood, chosen and ignored. */
export function understoodFacts(said: Interpretation): readonly (readonly [string, string])[] {
  const chosen = new Set(said.chosen);
  const fact = (name: string, field: string, value: string): [string, string] => [
    name,
    value && chosen.has(field) ? `${value} (chosen by the seed)` : value,
  ];
  const facts: [string, string][] = [
    fact("Style", "style", said.style ?? ""),
    fact("Tempo", "tempo_bpm", said.tempo_bpm === null ? "" : `${Math.round(said.tempo_bpm * 10) / 10} BPM`),
    fact("Key", "key", said.key ?? ""),
    fact("Bars", "bars", said.bars === null ? "" : String(Math.round(said.bars * 10) / 10)),
    fact("Instruments", "instruments", said.instruments.join(", ")),
    fact("Sounds", "sounds", said.sounds.join(", ")),
    ["Not understood", said.ignored_words.join(", ")],
    ["Not followed", said.ignored_parameters.map((name) => IGNORED[name] ?? name).join("; ")],
  ];
  return facts.filter(([, value]) => value !== "");
}
