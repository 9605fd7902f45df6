/** What the operator has configured, loaded once. */

import { api, dataOf } from "./client.ts";
import type { components } from "./schema.d.ts";
import { useLoaded } from "./requests.ts";

export type Features = components["schemas"]["Features"];

let pending: Promise<Features> | null = null;

/** Return the features; null until they are known. */
export function useFeatures(): Features | null {
  return useLoaded(load).value;
}

function load(): Promise<Features> {
  pending ??= dataOf(api.GET("/api/features")).catch((error: unknown) => {
    pending = null;
    throw error;
  });
  return pending;
}
