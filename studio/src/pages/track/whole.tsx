/** A track without stems: its waveform, and the recording as it is. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Track } from "../../api/client.ts";
import { leaveFloor, takeFloor } from "../../audio/floor.ts";
import { Notice } from "../../ui/components.tsx";
import { loadPeaks, Waveform } from "../../waveform/canvas.tsx";
import type { Pyramid } from "../../waveform/peaks.ts";
import { whole } from "../../waveform/view.ts";

const WIDTH = 1200;

export function Whole({ track }: { track: Track }) {
  const element = useRef<HTMLAudioElement>(null);
  const [share, setShare] = useState(0);
  const peaks = useSignal<Pyramid | null>(null);
  const [pause] = useState(() => () => element.current?.pause());
  useEffect(() => () => leaveFloor(pause), [pause]);
  const frameCount = track.frame_count ?? 0;
  useEffect(() => {
    // Recordings of earlier versions have no waveform.
    if (frameCount) loadPeaks(`/api/tracks/${track.id}/waveform`, frameCount, peaks).catch(() => {});
  }, [track.id, frameCount, peaks]);
  if (!track.file_path) return <Notice>This track has no audio yet. Its download is not finished.</Notice>;
  const seek = (event: PointerEvent) => {
    const audio = element.current;
    if (!audio || !(event.currentTarget instanceof HTMLElement)) return;
    const box = event.currentTarget.getBoundingClientRect();
    audio.currentTime = ((event.clientX - box.left) / box.width) * track.duration_seconds;
    setShare(audio.currentTime / track.duration_seconds);
  };
  return (
    <div class="panel whole">
      <div class="whole-wave" onPointerDown={seek}>
        <Waveform
          peaks={peaks}
          view={whole(frameCount, WIDTH)}
          width={WIDTH}
          height={96}
          label={`Waveform of ${track.title}`}
        />
        <div class="whole-played" style={{ width: `${100 * share}%` }} />
      </div>
      <audio
        ref={element}
        controls
        preload="none"
        src={track.file_path}
        aria-label={track.title}
        onPlay={() => takeFloor(pause)}
        onTimeUpdate={(event) => setShare(event.currentTarget.currentTime / track.duration_seconds)}
      />
    </div>
  );
}
