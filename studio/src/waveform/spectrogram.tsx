/** Spectrograms of lanes, loaded in tiles of the resolution that is visible. */

import { type Signal, signal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { getBytes } from "../api/client.ts";
import { BANDS, bandOf, columnsPerPixel, HOP_FRAMES, tilesIn, TILE_PIXELS } from "./bands.ts";
import { scheme, sized } from "./canvas.tsx";
import type { View } from "./view.ts";

/** Tiles that a lane keeps: 256 kB each. */
const KEPT_TILES = 12;
const LABELLED_HZ = [100, 1000, 8000];

/** The tiles of one stem. The tiles of the whole track are kept, and stand in for finer ones until they are there. */
export class SpectrogramTiles {
  /** Grows when a tile is there. */
  readonly version: Signal<number> = signal(0);
  readonly coarsest: number;
  readonly #stemId: string;
  readonly #tiles = new Map<string, HTMLCanvasElement | null>();

  constructor(stemId: string, frameCount: number) {
    this.#stemId = stemId;
    this.coarsest = columnsPerPixel(Math.max(1, frameCount / TILE_PIXELS));
  }

  /** Return a tile that is there, or load it. */
  get(columns: number, index: number): HTMLCanvasElement | null {
    const key = `${columns}/${index}`;
    const tile = this.#tiles.get(key);
    if (tile === undefined) {
      this.#tiles.set(key, null);
      void this.#load(key, columns, index);
    } else if (columns !== this.coarsest) {
      this.#tiles.delete(key); // the map keeps the order of use
      this.#tiles.set(key, tile);
    }
    return tile ?? null;
  }

  async #load(key: string, columns: number, index: number): Promise<void> {
    try {
      const path = `/api/stems/${this.#stemId}/spectrogram/${index}?columns_per_pixel=${columns}`;
      this.#tiles.set(key, drawn(new Uint8Array(await getBytes(path))));
      this.#forget();
      this.version.value++;
    } catch {
      // Without its tile, this part stays empty until the page is loaded again.
    }
  }

  #forget(): void {
    for (const key of this.#tiles.keys()) {
      if (this.#tiles.size <= KEPT_TILES) return;
      if (!key.startsWith(`${this.coarsest}/`)) this.#tiles.delete(key);
    }
  }
}

/** Return a picture whose opacity is the level. Its colour comes later, from the theme. */
function drawn(levels: Uint8Array): HTMLCanvasElement {
  const width = Math.max(1, levels.length / BANDS);
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = BANDS;
  const picture = new ImageData(width, BANDS);
  for (let x = 0; x < width; x++) {
    for (let band = 0; band < BANDS; band++) {
      const level = (levels[x * BANDS + band] ?? 0) / 255;
      picture.data[4 * ((BANDS - 1 - band) * width + x) + 3] = 255 * level ** 1.5;
    }
  }
  canvas.getContext("2d")?.putImageData(picture, 0, 0);
  return canvas;
}

interface SpectrogramProps {
  readonly stemId: string;
  readonly frameCount: number;
  readonly view: View;
  readonly width: number;
  readonly height: number;
  readonly label: string;
}

/** A spectrogram in the text colour of its element. */
export function Spectrogram({ stemId, frameCount, view, width, height, label }: SpectrogramProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const tiles = useMemo(() => new SpectrogramTiles(stemId, frameCount), [stemId, frameCount]);
  const version = tiles.version.value;
  const isDark = scheme.value;
  useEffect(() => {
    if (canvas.current) draw(canvas.current, tiles, frameCount, view, width, height);
  }, [tiles, version, frameCount, view, width, height, isDark]);
  return (
    <div class="spectrogram" title="Frequency over time, from 30 Hz to 16 kHz. −90 dB is empty, 0 dB is full.">
      <canvas class="waveform" role="img" aria-label={label} ref={canvas} />
      {LABELLED_HZ.map((hertz) => (
        <span class="number" aria-hidden="true" key={hertz} style={{ bottom: `${(100 * bandOf(hertz)) / BANDS}%` }}>
          {hertz < 1000 ? hertz : `${hertz / 1000}k`}
        </span>
      ))}
    </div>
  );
}

function draw(
  canvas: HTMLCanvasElement,
  tiles: SpectrogramTiles,
  frameCount: number,
  view: View,
  width: number,
  height: number,
): void {
  const drawing = sized(canvas, width, height);
  if (!drawing) return;
  const pixelsPerFrame = canvas.width / width / view.framesPerPixel;
  const wanted = Math.min(tiles.coarsest, columnsPerPixel(view.framesPerPixel));
  for (const columns of new Set([tiles.coarsest, wanted])) {
    for (const { index, start, end } of tilesIn(view, width, columns, frameCount)) {
      const tile = tiles.get(columns, index);
      if (!tile) continue;
      const left = (start - view.start) * pixelsPerFrame;
      const right = (Math.min(end, start + tile.width * columns * HOP_FRAMES) - view.start) * pixelsPerFrame;
      drawing.clearRect(left, 0, right - left, canvas.height);
      drawing.drawImage(tile, left, 0, right - left, canvas.height);
    }
  }
  drawing.globalCompositeOperation = "source-in";
  drawing.fillStyle = getComputedStyle(canvas).color;
  drawing.fillRect(0, 0, canvas.width, canvas.height);
  drawing.globalCompositeOperation = "source-over";
}
