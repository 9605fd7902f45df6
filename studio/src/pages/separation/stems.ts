/** What a separation can be asked for: all stems of a model, or one of them and the rest of the recording. */

export interface ModelStems {
  readonly name: string;
  readonly stem_types: readonly string[];
  /** Whether it can run now. */
  readonly available: boolean;
}

/** Return the stems that can be requested alone of a model. `auto` finds an available one for any stem. */
export function stemsOf(models: readonly ModelStems[], model: string): readonly string[] {
  const able = models.filter(({ name, available }) => (model === "auto" ? available : name === model));
  const stems = new Set(able.flatMap((each) => each.stem_types));
  stems.delete("accompaniment"); // what each of the others leaves
  return [...stems];
}
