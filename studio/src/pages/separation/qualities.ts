/** Fast, balanced and best, as far as they differ on a server. */

export const QUALITIES = ["fast", "balanced", "best"] as const;

export type Quality = (typeof QUALITIES)[number];

/** The models of each quality, one for each track. */
type Models = Readonly<Record<Quality, readonly { readonly model: string }[]>>;

/** Qualities that run the same models. */
export interface Choice {
  readonly name: string;
  readonly qualities: readonly Quality[];
  /** The one that is requested. */
  readonly quality: Quality;
}

/** Return the choices between qualities; all three if their models are not known. */
export function choicesOf(models: Models | null): readonly Choice[] {
  const keyOf = (quality: Quality) => models?.[quality].map(({ model }) => model).join(" ") ?? quality;
  return QUALITIES.filter(
    (quality, at) => !QUALITIES.slice(0, at).some((other) => keyOf(other) === keyOf(quality)),
  ).map((quality) => {
    const qualities = QUALITIES.filter((other) => keyOf(other) === keyOf(quality));
    return { name: nameOf(qualities), qualities, quality };
  });
}

function nameOf(qualities: readonly Quality[]): string {
  const text = new Intl.ListFormat("en-GB", { type: "conjunction" }).format(qualities);
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
