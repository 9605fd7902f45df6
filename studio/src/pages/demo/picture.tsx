/** A picture of what Soundwright does: the waveform of the demo song, and those of its stems. */

import "./demo.css";
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { Waveform, loadPeaksFrom } from "../../waveform/canvas.tsx";
import type { Pyramid } from "../../waveform/peaks.ts";
import { whole } from "../../waveform/view.ts";
import { waveforms } from "./waveforms.ts";

const STEMS = [
  ["vocals", "Vocals"],
  ["drums", "Drums"],
  ["bass", "Bass"],
  ["other", "Other"],
] as const;
const WIDTH = 480;

export function Picture() {
  return (
    <figure class="picture" aria-label="One song becomes four tracks: vocals, drums, bass and the other instruments.">
      <Lane name="mix" text="Your song" />
      <div class="picture-stems">
        {STEMS.map(([name, text]) => (
          <Lane key={name} name={name} text={text} />
        ))}
      </div>
    </figure>
  );
}

function Lane({ name, text }: { name: string; text: string }) {
  const peaks = useSignal<Pyramid | null>(null);
  useEffect(() => {
    // Without its waveform, the lane still has its name.
    loadPeaksFrom(waveforms[name] ?? "", peaks).catch(() => {});
  }, [name, peaks]);
  const finest = peaks.value?.[0];
  const frameCount = finest ? (finest.framesPerPixel * finest.pairs.length) / 2 : 1;
  return (
    <div class="lane" data-colour={name}>
      <span>{text}</span>
      <Waveform peaks={peaks} view={whole(frameCount, WIDTH)} width={WIDTH} height={40} label={`Waveform: ${text}`} />
    </div>
  );
}
