/** Media keys and the lock screen, through the Media Session API. */

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

export interface Media {
  readonly title: string;
  readonly artist: string;
  /** The path of a picture. */
  readonly cover?: string | null;
}

/** Show what plays. */
export function showMedia(media: Media | null): void {
  const { mediaSession } = navigator;
  mediaSession.metadata =
    media &&
    new MediaMetadata({
      title: media.title,
      artist: media.artist,
      artwork: media.cover ? [{ src: media.cover, type: "image/jpeg" }] : [],
    });
  if (!media) mediaSession.playbackState = "none";
}

export function showMediaPosition(audio: HTMLAudioElement, isPlaying: boolean): void {
  const { mediaSession } = navigator;
  mediaSession.playbackState = isPlaying ? "playing" : "paused";
  if (!Number.isFinite(audio.duration)) return;
  mediaSession.setPositionState({ duration: audio.duration, position: Math.min(audio.currentTime, audio.duration) });
}
