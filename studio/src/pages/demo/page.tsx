/** The demo song, already separated and analysed. */

import { Notice } from "../../ui/components.tsx";
import { Desk, Head } from "../track/page.tsx";
import { analysis, demoStems, track } from "./recording.ts";

const RECORDING = { stems: demoStems, other: null, position: null };

export default function DemoPage() {
  return (
    <div class="page track">
      <Head track={track} analysis={analysis} />
      <Desk track={track} analysis={analysis} recording={RECORDING} />
      <Notice
        action={
          <a class="button primary" href="/studio">
            Separate your own song
          </a>
        }
      >
        Mute a stem, listen to the singer alone, or slow the song down. The stems are those of the model{" "}
        {demoStems.separations[0]?.model}.
      </Notice>
    </div>
  );
}
