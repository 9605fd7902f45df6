/** The engine as an entry of its own, for measurements and tests in a browser. The page does not load it. */

export { Engine } from "./engine.ts";
export { NEUTRAL } from "./mix.ts";
export { SegmentCache } from "./segments.ts";
