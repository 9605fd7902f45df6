/** Canvases that draw waveforms. */

import { type Signal, signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { getBytes } from "../api/client.ts";
import { extremes, levelFor, type Pyramid, pyramidOf, readPeaks } from "./peaks.ts";
import type { View } from "./view.ts";

const OVERVIEW_PIXELS = 4096;
const FINEST = 256;

const dark = matchMedia("(prefers-color-scheme: dark)");
/** Whether the theme is dark. Canvases that read colours draw again when it changes. */
export const scheme = signal(dark.matches);
dark.addEventListener("change", () => {
  scheme.value = dark.matches;
});

/** Load the peaks of a recording: an overview first if it is long, then all that `isOverview` does not make unnecessary. */
export async function loadPeaks(
  address: string,
  frameCount: number,
  target: Signal<Pyramid | null>,
  isOverview = false,
): Promise<void> {
  let overview = FINEST;
  while (frameCount / overview > OVERVIEW_PIXELS) overview *= 2;
  const isLong = overview > 16 * FINEST;
  if (isLong) await loadPeaksFrom(`${address}?samples_per_pixel=${overview}`, target);
  if (!isLong || !isOverview) await loadPeaksFrom(address, target);
}

/** Load a file of peaks. */
export async function loadPeaksFrom(address: string, target: Signal<Pyramid | null>): Promise<void> {
  target.value = pyramidOf(readPeaks(await getBytes(address)));
}

interface WaveformProps {
  readonly peaks: Signal<Pyramid | null>;
  readonly view: View;
  readonly width: number;
  readonly height: number;
  readonly label: string;
  /** Factor of the amplitudes. */
  readonly scale?: number;
}

/** A waveform in the text colour of its element. */
export function Waveform({ peaks, view, width, height, label, scale = 1 }: WaveformProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const pyramid = peaks.value;
  const isDark = scheme.value;
  useEffect(() => {
    if (canvas.current) draw(canvas.current, pyramid, view, width, height, scale);
  }, [pyramid, view, width, height, scale, isDark]);
  return <canvas class="waveform" role="img" aria-label={label} ref={canvas} />;
}

function draw(
  canvas: HTMLCanvasElement,
  pyramid: Pyramid | null,
  view: View,
  width: number,
  height: number,
  scale: number,
): void {
  const drawing = sized(canvas, width, height);
  if (!drawing) return;
  const { width: columns, height: rows } = canvas;
  drawing.fillStyle = getComputedStyle(canvas).color;
  const middle = rows / 2;
  const framesPerColumn = (view.framesPerPixel * width) / columns;
  const level = pyramid && levelFor(pyramid, framesPerColumn);
  if (!level) return;
  for (let column = 0; column < columns; column++) {
    const start = view.start + column * framesPerColumn;
    const [low, high] = extremes(level, start, start + framesPerColumn);
    const top = middle * (1 - scale * high);
    drawing.fillRect(column, top, 1, Math.max(1, middle * (1 - scale * low) - top));
  }
}

/** Return the drawing of an empty canvas of this size in CSS pixels. */
export function sized(canvas: HTMLCanvasElement, width: number, height: number): CanvasRenderingContext2D | null {
  const columns = Math.round(width * devicePixelRatio);
  const rows = Math.round(height * devicePixelRatio);
  if (canvas.width !== columns || canvas.height !== rows) {
    canvas.width = columns;
    canvas.height = rows;
  }
  const drawing = canvas.getContext("2d");
  drawing?.clearRect(0, 0, columns, rows);
  return drawing;
}
