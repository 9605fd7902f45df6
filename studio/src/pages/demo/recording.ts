/** The demo song: what the platform made of it (`python -m demo.studio`). It plays without an account and without a job. */

import type { Analysis, Stem, Stems, Track } from "../../api/client.ts";
import type { PlayedStem } from "../track/sources.ts";
import demo from "./demo.json";
import { waveforms } from "./waveforms.ts";

const audio = import.meta.glob<string>("./*.ogg", { query: "?url", import: "default", eager: true });
const { mix, stems, separations } = demo.stems as Stems;

export const track = demo.track as Track;
export const analysis = demo.analysis as Analysis;
export const demoStems: Stems = { mix: mix && playedOf(mix), stems: stems.map(playedOf), separations };

function playedOf(stem: Stem): PlayedStem {
  const name = stem.stem_type;
  return { ...stem, files: { audio: audio[`./${name}.ogg`] ?? "", waveform: waveforms[name] ?? "" } };
}
