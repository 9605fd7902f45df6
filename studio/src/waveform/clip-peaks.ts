/**
 * The waveforms of clips. They load a few at a time, what was asked for last first. They stay below the rate limit of files,
 * of which the player needs a part.
 */

import { type Signal, signal } from "@preact/signals";
import { type Clip, getBytes } from "../api/client.ts";
import { Budget } from "./budget.ts";
import { type Pyramid, pyramidOf, readPeaks } from "./peaks.ts";

const WANTED_PIXELS = 128;
const SLOWEST_RATE_HZ = 16_000;
const FINEST = 256;
const CACHED = 300;
const CONCURRENT = 3;
const BURST = 100;
const PER_SECOND = 5;

type Peaks = Signal<Pyramid | null>;

const cache = new Map<string, Peaks>();
const waiting: { readonly clip: Clip; readonly peaks: Peaks }[] = [];
const budget = new Budget(BURST, PER_SECOND, performance.now() / 1000);
let loading = 0;
let timer: ReturnType<typeof setTimeout> | undefined;

/** Return the waveform of a clip, which arrives later. */
export function peaksOf(clip: Clip): Peaks {
  const known = cache.get(clip.id);
  if (known) return known;
  const peaks: Peaks = signal(null);
  cache.set(clip.id, peaks);
  for (const id of cache.keys()) {
    if (cache.size <= CACHED) break;
    cache.delete(id);
  }
  waiting.push({ clip, peaks });
  loadNext();
  return peaks;
}

/** Do not load the waveform of a clip that is no longer visible. */
export function forgetPeaks(clip: Clip): void {
  const place = waiting.findIndex((wanted) => wanted.clip.id === clip.id);
  if (place < 0) return;
  waiting.splice(place, 1);
  cache.delete(clip.id);
}

function loadNext(): void {
  clearTimeout(timer);
  if (loading >= CONCURRENT || waiting.length === 0) return;
  const seconds = budget.take(performance.now() / 1000);
  if (seconds > 0) {
    timer = setTimeout(loadNext, seconds * 1000);
    return;
  }
  const wanted = waiting.pop();
  if (!wanted) return;
  loading++;
  getBytes(addressOf(wanted.clip))
    .then(
      (bytes) => {
        wanted.peaks.value = pyramidOf(readPeaks(bytes));
      },
      () => cache.delete(wanted.clip.id), // the clip still plays; the next visit tries again
    )
    .finally(() => {
      loading--;
      loadNext();
    });
}

function addressOf(clip: Clip): string {
  let pixelFrames = FINEST;
  while (2 * pixelFrames * WANTED_PIXELS <= clip.duration * SLOWEST_RATE_HZ) pixelFrames *= 2;
  return `/api/library/${clip.id}/waveform?samples_per_pixel=${pixelFrames}`;
}
