/** The waveform of a clip, which loads when it becomes visible. */

import { type Signal, signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { type Clip, getBytes } from "../api/client.ts";
import { Waveform } from "./canvas.tsx";
import { type Pyramid, pyramidOf, readPeaks } from "./peaks.ts";
import { whole } from "./view.ts";

const WANTED_PIXELS = 128;
const SLOWEST_RATE_HZ = 16_000;
const FINEST = 256;
const CACHED = 300;
const HEIGHT = 48;
const CONCURRENT = 3;
/** Cards that are scrolled past load nothing. */
const PAUSE_MILLISECONDS = 120;

interface Wanted {
  readonly clip: Clip;
  readonly pixelFrames: number;
  readonly peaks: Signal<Pyramid | null>;
}

const waiting: Wanted[] = [];
let loading = 0;
const cache = new Map<string, Signal<Pyramid | null>>();

/** Return the waveform of a clip, which arrives later. */
function peaksOf(clip: Clip): Signal<Pyramid | null> {
  const known = cache.get(clip.id);
  if (known) return known;
  const peaks = signal<Pyramid | null>(null);
  cache.set(clip.id, peaks);
  for (const id of cache.keys()) {
    if (cache.size <= CACHED) break;
    cache.delete(id);
  }
  let pixelFrames = FINEST;
  while (2 * pixelFrames * WANTED_PIXELS <= clip.duration * SLOWEST_RATE_HZ) pixelFrames *= 2;
  waiting.push({ clip, pixelFrames, peaks });
  loadNext();
  return peaks;
}

/** Load what was asked for last first. A few at a time, so that lists and audio do not wait for waveforms. */
function loadNext(): void {
  if (loading >= CONCURRENT) return;
  const wanted = waiting.pop();
  if (!wanted) return;
  loading++;
  getBytes(`/api/library/${wanted.clip.id}/waveform?samples_per_pixel=${wanted.pixelFrames}`)
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

export function ClipWaveform({ clip }: { clip: Clip }) {
  const element = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const box = element.current;
    if (!box) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const observer = new IntersectionObserver(([entry]) => {
      clearTimeout(timer);
      if (entry?.isIntersecting) timer = setTimeout(() => setWidth(box.clientWidth), PAUSE_MILLISECONDS);
    });
    observer.observe(box);
    return () => {
      clearTimeout(timer);
      observer.disconnect();
    };
  }, []);
  return (
    <div class="clip-waveform" ref={element}>
      {width > 0 && <Loaded clip={clip} width={width} />}
    </div>
  );
}

function Loaded({ clip, width }: { clip: Clip; width: number }) {
  const [peaks] = useState(() => peaksOf(clip));
  const finest = peaks.value?.[0];
  const frameCount = finest ? (finest.framesPerPixel * finest.pairs.length) / 2 : 1;
  return (
    <Waveform
      peaks={peaks}
      view={whole(frameCount, width)}
      width={width}
      height={HEIGHT}
      label={`Waveform of ${clip.prompt}`}
      scale={scaleOf(finest?.pairs)}
    />
  );
}

/** Return the factor that lets the loudest sample fill the height. */
function scaleOf(pairs: Int8Array | undefined): number {
  let peak = 0;
  for (const value of pairs ?? []) peak = Math.max(peak, Math.abs(value));
  return peak > 0 ? Math.min(20, 120 / peak) : 1;
}
