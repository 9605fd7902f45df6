/** What a separation can be asked for: all stems of a model, or one of them and the rest of the recording. */

export interface ModelStems {
  readonly name: string;
  readonly stem_types: readonly string[];
}

/** Return the stems that can be requested of a model. The first model is the default, and `auto` finds one for any stem. */
export function stemsOf(models: readonly ModelStems[], model: string): readonly string[] {
  if (model === "auto") return [...new Set(models.flatMap((each) => each.stem_types))];
  return (model ? models.find((each) => each.name === model) : models[0])?.stem_types ?? [];
}
