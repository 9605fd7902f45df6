/** Chroma and energy over time, from the analysis. */

import "./series.css";
import { useEffect, useRef } from "preact/hooks";
import type { Analysis } from "../../api/client.ts";
import { scheme, sized } from "../../waveform/canvas.tsx";
import { pitchNames } from "../../music/keys.ts";
import type { View } from "../../waveform/view.ts";
import type { Player } from "./player.ts";

const ENERGY_HEIGHT = 60;
const ROW_HEIGHT = 12;
const PITCH_CLASSES = 12;

type Values = NonNullable<Analysis["features"]>;

export function Series({ player, values }: { player: Player; values: Values | undefined }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const view = player.view.value;
  const width = player.width.value;
  const isDark = scheme.value;
  const height = values?.chroma ? PITCH_CLASSES * ROW_HEIGHT : ENERGY_HEIGHT;
  useEffect(() => {
    if (canvas.current && values) draw(canvas.current, values, view, width, height, player.sampleRateHz);
  }, [values, view, width, height, isDark, player]);
  if (!values?.chroma && !values?.energy) return null;
  const title = values.chroma && values.energy ? "Chroma and energy" : values.chroma ? "Chroma" : "Energy";
  const pitches = pitchNames(player.music.key.value);
  const rows = `Rows from the bottom: ${pitches.join(", ")}`;
  return (
    <section class="lane series" aria-label={title}>
      <div class="lane-head">
        <h3>{title}</h3>
        {values.energy && <p class="quiet">The line is the energy.</p>}
        {values.chroma && (
          <>
            <p class="quiet rows">{rows}</p>
            <p class="pitches" aria-hidden="true">
              {pitches.map((pitch) => (
                <span key={pitch}>{pitch}</span>
              ))}
            </p>
          </>
        )}
      </div>
      <div class="lane-wave" data-seek>
        <canvas
          class="waveform"
          role="img"
          aria-label={`${title} over time.${values.chroma ? ` ${rows}` : ""}`}
          style={{ height: `${height}px` }}
          ref={canvas}
        />
      </div>
    </section>
  );
}

function draw(
  canvas: HTMLCanvasElement,
  values: Values,
  view: View,
  width: number,
  height: number,
  sampleRateHz: number,
): void {
  const drawing = sized(canvas, width, height);
  if (!drawing) return;
  const scale = canvas.width / width;
  const x = (seconds: number) => ((seconds * sampleRateHz - view.start) / view.framesPerPixel) * scale;
  drawing.fillStyle = getComputedStyle(canvas).color;
  const row = canvas.height / PITCH_CLASSES;
  const hop = values.chroma_hop_seconds ?? 0;
  values.chroma?.forEach((levels, pitchClass) => {
    levels.forEach((level, column) => {
      const [left, right] = [x(column * hop), x((column + 1) * hop)];
      if (right < 0 || left > canvas.width) return;
      drawing.globalAlpha = 0.85 * Math.min(1, Math.max(0, level)) ** 2;
      drawing.fillRect(left, canvas.height - (pitchClass + 1) * row, right - left, row);
    });
  });
  drawing.globalAlpha = 1;
  if (values.energy) drawEnergy(drawing, canvas, values.energy, values.energy_hop_seconds ?? 0, x);
}

function drawEnergy(
  drawing: CanvasRenderingContext2D,
  canvas: HTMLCanvasElement,
  energy: readonly number[],
  hopSeconds: number,
  x: (seconds: number) => number,
): void {
  const loudest = energy.reduce((most, one) => Math.max(most, one), 1e-6);
  drawing.strokeStyle = getComputedStyle(canvas).getPropertyValue("--ink");
  drawing.lineWidth = 1.5 * devicePixelRatio;
  drawing.beginPath();
  energy.forEach((value, index) => {
    drawing.lineTo(x((index + 0.5) * hopSeconds), canvas.height * (1 - (0.95 * value) / loudest));
  });
  drawing.stroke();
}
