/** Media keys and the lock screen, through the Media Session API. */

import type { Clip } from "../api/client.ts";

interface Actions {
  readonly play: () => void;
  readonly pause: () => void;
  readonly next: () => void;
  readonly previous: () => void;
  readonly seek: (seconds: number) => void;
  readonly skip: (seconds: number) => void;
}

const SKIP_SECONDS = 10;

export function onMediaKeys(actions: Actions): void {
  const { mediaSession } = navigator;
  mediaSession.setActionHandler("play", actions.play);
  mediaSession.setActionHandler("pause", actions.pause);
  mediaSession.setActionHandler("nexttrack", actions.next);
  mediaSession.setActionHandler("previoustrack", actions.previous);
  mediaSession.setActionHandler("seekbackward", (details) => actions.skip(-(details.seekOffset ?? SKIP_SECONDS)));
  mediaSession.setActionHandler("seekforward", (details) => actions.skip(details.seekOffset ?? SKIP_SECONDS));
  mediaSession.setActionHandler("seekto", (details) => actions.seek(details.seekTime ?? 0));
}

/** Show what plays. */
export function showMedia(clip: Clip | null): void {
  const { mediaSession } = navigator;
  mediaSession.metadata = clip && new MediaMetadata({ title: clip.prompt, artist: clip.engine_model });
  if (!clip) mediaSession.playbackState = "none";
}

export function showMediaPosition(audio: HTMLAudioElement, isPlaying: boolean): void {
  const { mediaSession } = navigator;
  mediaSession.playbackState = isPlaying ? "playing" : "paused";
  if (!Number.isFinite(audio.duration)) return;
  mediaSession.setPositionState({ duration: audio.duration, position: Math.min(audio.currentTime, audio.duration) });
}
