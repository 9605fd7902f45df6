/** The waveform of a clip, which loads when it becomes visible. */

import { useEffect, useRef, useState } from "preact/hooks";
import type { Clip } from "../api/client.ts";
import { Waveform } from "./canvas.tsx";
import { forgetPeaks, peaksOf } from "./clip-peaks.ts";
import { whole } from "./view.ts";

const HEIGHT = 48;
/** Cards that are scrolled past load nothing. */
const PAUSE_MILLISECONDS = 120;

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
  useEffect(() => () => forgetPeaks(clip), [clip]);
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
