/** The player of clips. There is one, which outlives pages. It plays a queue through one audio element. */

import { batch, computed, signal } from "@preact/signals";
import { api, type Clip } from "../api/client.ts";
import { leaveFloor, takeFloor } from "../audio/floor.ts";
import { onMediaKeys, showMedia, showMediaPosition } from "./media-keys.ts";
import { appended, currentOf, EMPTY, movedBy, type Queue, without } from "./queue.ts";

export type PlayerState = "paused" | "loading" | "playing";

/** Where the clips come from. `more` continues an endless source. */
export interface Source {
  readonly name: "library" | "playlist" | "radio" | "generation";
  readonly more?: (played: readonly Clip[]) => Promise<readonly Clip[]>;
}

const VOLUME_KEY = "soundwright.player.volume";
const RESTART_SECONDS = 3;
const AHEAD = 2;

export const queue = signal<Queue>(EMPTY);
export const state = signal<PlayerState>("paused");
export const position = signal(0);
export const duration = signal(0);
export const volume = signal(savedVolume());
export const repeats = signal(false);
export const problem = signal("");
export const current = computed(() => currentOf(queue.value));

let source: Source = { name: "library" };
let isFetching = false;
const audio = new Audio();

/** Play `clips`, from the one at `index` on. */
export function play(clips: readonly Clip[], index: number, from: Source): void {
  source = from;
  queue.value = { clips, index };
  start();
}

/** Play or pause the current clip. */
export function toggle(): void {
  if (!current.value) return;
  if (audio.paused) resume();
  else audio.pause();
}

export function pause(): void {
  audio.pause();
}

/** Go to the next clip. Return whether there is one. */
export function next(): boolean {
  return go(1);
}

/** Go to the beginning of the clip, or from there to the previous one. */
export function previous(): void {
  if (audio.currentTime > RESTART_SECONDS || !go(-1)) seek(0);
}

/** Go to a clip of the queue. */
export function jump(index: number): void {
  queue.value = { ...queue.value, index };
  start();
}

export function seek(seconds: number): void {
  audio.currentTime = Math.max(0, Math.min(seconds, duration.value));
  position.value = audio.currentTime;
}

export function setVolume(value: number): void {
  volume.value = value;
  audio.volume = value;
  localStorage.setItem(VOLUME_KEY, String(value));
}

export function setRepeats(on: boolean): void {
  repeats.value = on;
  audio.loop = on;
}

export function enqueue(clip: Clip): void {
  if (current.value) queue.value = appended(queue.value, [clip]);
  else play([clip], 0, { name: "library" });
}

/** Remove a clip from the queue, for example because it was deleted. */
export function remove(id: string): void {
  const wasCurrent = current.value?.id === id;
  const wasPlaying = !audio.paused;
  queue.value = without(queue.value, id);
  if (!wasCurrent) return;
  if (current.value && wasPlaying) start();
  else if (current.value) load(current.value);
  else stop();
}

/** Stop, and empty the queue. */
export function stop(): void {
  audio.pause();
  audio.removeAttribute("src");
  audio.load();
  batch(() => {
    queue.value = EMPTY;
    problem.value = "";
    position.value = 0;
  });
  showMedia(null);
}

function go(step: number): boolean {
  const moved = movedBy(queue.value, step);
  if (moved === queue.value) return false;
  queue.value = moved;
  start();
  return true;
}

function load(clip: Clip): void {
  batch(() => {
    problem.value = "";
    position.value = 0;
    duration.value = clip.duration;
  });
  audio.src = `/audio/${encodeURIComponent(clip.filename)}`;
  showMedia({ title: clip.prompt, artist: clip.engine_model });
}

function start(): void {
  const clip = current.value;
  if (!clip) return;
  load(clip);
  resume();
  const body = { source: source.name };
  api.POST("/api/track/{gen_id}/play", { params: { path: { gen_id: clip.id } }, body }).catch(() => {});
  void fetchMore();
}

function resume(): void {
  takeFloor(pause);
  audio.play().catch((error: unknown) => {
    // Another clip or a pause replaced this one. Errors of the file are events of the element.
    if (error instanceof DOMException && error.name === "NotAllowedError") {
      problem.value = "The browser does not allow sound before you press a button. Press Play.";
    }
  });
}

async function fetchMore(): Promise<void> {
  const { clips, index } = queue.value;
  const from = source;
  if (!from.more || isFetching || clips.length - index > AHEAD) return;
  isFetching = true;
  try {
    const more = await from.more(clips);
    if (source === from) queue.value = appended(queue.value, more);
  } catch {
    // The next clip tries again.
  } finally {
    isFetching = false;
  }
}

function savedVolume(): number {
  const saved = Number(localStorage.getItem(VOLUME_KEY) ?? 1);
  return saved >= 0 && saved <= 1 ? saved : 1;
}

function listen(): void {
  audio.volume = volume.value;
  const show = (shown: PlayerState) => () => {
    state.value = shown;
    showMediaPosition(audio, shown !== "paused");
  };
  audio.addEventListener("play", show("loading"));
  audio.addEventListener("playing", show("playing"));
  audio.addEventListener("waiting", show("loading"));
  audio.addEventListener("pause", show("paused"));
  audio.addEventListener("pause", () => leaveFloor(pause));
  audio.addEventListener("timeupdate", () => {
    position.value = audio.currentTime;
  });
  audio.addEventListener("durationchange", () => {
    if (Number.isFinite(audio.duration)) duration.value = audio.duration;
  });
  audio.addEventListener("ended", () => void next());
  audio.addEventListener("error", () => {
    if (!current.value) return;
    state.value = "paused";
    problem.value = "This clip could not be loaded. Check the connection, then press Play, or go on to the next clip.";
  });
  onMediaKeys({ play: resume, pause, next, previous, seek, skip: (seconds) => seek(audio.currentTime + seconds) });
}

listen();
