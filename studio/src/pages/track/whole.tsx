/** A track without stems: its waveform, and the recording as it is. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { leaveFloor, takeFloor } from "../../audio/floor.ts";
import { type Media, showMedia } from "../../player/media-keys.ts";
import { isReloaded } from "../../router.ts";
import { Notice } from "../../ui/components.tsx";
import { loadPeaks, Waveform } from "../../waveform/canvas.tsx";
import type { Pyramid } from "../../waveform/peaks.ts";
import { whole } from "../../waveform/view.ts";
import { save, savedOf } from "./sources.ts";

const WIDTH = 1200;

interface WholeProps {
  readonly trackId: string;
  readonly media: Media;
  /** The paths of the recording and of its waveform. */
  readonly audio: string | null;
  readonly waveform: string;
  readonly seconds: number;
  readonly frameCount: number;
  readonly isPlaying?: boolean | undefined;
  readonly onEnded?: (() => void) | undefined;
  readonly onPlay?: () => void;
  /** Called with the position in seconds. */
  readonly onPause?: (seconds: number) => void;
}

export function Whole({
  trackId,
  media,
  audio: path,
  waveform,
  seconds,
  frameCount,
  isPlaying,
  onEnded,
  onPlay,
  onPause,
}: WholeProps) {
  const element = useRef<HTMLAudioElement>(null);
  const [begin] = useState(() => (isPlaying && !isReloaded() ? 0 : (savedOf(trackId).seconds ?? 0)));
  const [share, setShare] = useState(begin / seconds);
  const [isLost, setLost] = useState(false);
  const peaks = useSignal<Pyramid | null>(null);
  const [pause] = useState(() => () => element.current?.pause());
  useEffect(() => () => leaveFloor(pause), [pause]);
  useEffect(() => {
    const audio = element.current;
    if (!audio) return;
    audio.currentTime = begin;
    const write = () => save(trackId, { seconds: audio.ended ? 0 : audio.currentTime });
    addEventListener("visibilitychange", write); // also before the page is left
    return () => {
      removeEventListener("visibilitychange", write);
      write();
    };
  }, [trackId, begin]);
  useEffect(() => {
    // Recordings of earlier versions have no waveform.
    if (frameCount) loadPeaks(waveform, frameCount, peaks).catch(() => {});
  }, [waveform, frameCount, peaks]);
  if (!path) return <Notice>This track has no audio yet. Its download is not finished.</Notice>;
  const seek = (event: PointerEvent) => {
    const audio = element.current;
    if (!audio || !(event.currentTarget instanceof HTMLElement)) return;
    const box = event.currentTarget.getBoundingClientRect();
    audio.currentTime = ((event.clientX - box.left) / box.width) * seconds;
    setShare(audio.currentTime / seconds);
  };
  return (
    <div class="panel whole">
      <div class="whole-wave" onPointerDown={seek}>
        <Waveform
          peaks={peaks}
          view={whole(frameCount, WIDTH)}
          width={WIDTH}
          height={96}
          label={`Waveform of ${media.title}`}
        />
        <div class="whole-played" style={{ width: `${100 * share}%` }} />
      </div>
      <audio
        ref={element}
        controls
        preload="metadata"
        autoPlay={isPlaying}
        onEnded={onEnded}
        src={path}
        aria-label={media.title}
        onPlay={() => {
          takeFloor(pause);
          showMedia(media);
          onPlay?.();
        }}
        onPause={({ currentTarget: { currentTime, ended } }) => {
          leaveFloor(pause);
          if (!ended) onPause?.(currentTime);
        }}
        onError={() => setLost(true)}
        onTimeUpdate={(event) => setShare(event.currentTarget.currentTime / seconds)}
      />
      {isLost && <Notice look="bad">The recording cannot be played. Reload the page to see why.</Notice>}
    </div>
  );
}
