/** What was read from stems: their notes as a piano roll, and the melody over the waveform of the voice. */

import { useEffect, useMemo, useRef } from "preact/hooks";
import type { Analysis } from "../../api/client.ts";
import { noteName } from "../../music/keys.ts";
import { type Melody, traceMelody } from "../../music/melody.ts";
import { scheme, sized } from "../../waveform/canvas.tsx";
import type { Player } from "./player.ts";

type Part = NonNullable<Analysis["notes"]>["parts"][number];

/** Semitones above the highest and below the lowest note. */
const MARGIN = 2;
/** What is shown if there are no notes. */
const NO_RANGE: readonly [number, number] = [60, 72];
const MIN_ROW_PIXELS = 3;
const OCTAVE = 12;

/** The notes of a stem, from low to high, in the text colour of its element. Louder ones are more opaque. */
export function PianoRoll({ part, player, height }: { part: Part; player: Player; height: number }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const view = player.view.value;
  const width = player.width.value;
  const isDark = scheme.value;
  const [low, high] = useMemo(() => rangeOf(part.notes.map(([, , pitch = 0]) => pitch)), [part]);
  useEffect(() => {
    const drawing = canvas.current && sized(canvas.current, width, height);
    if (!drawing) return;
    const { width: columns, height: rows } = drawing.canvas;
    const row = rows / (high - low);
    const thickness = Math.max(row - 0.5, (MIN_ROW_PIXELS * columns) / width);
    const x = (seconds: number) =>
      (((seconds * player.sampleRateHz - view.start) / view.framesPerPixel) * columns) / width;
    const style = getComputedStyle(drawing.canvas);
    drawing.fillStyle = style.getPropertyValue("--strong-line");
    drawing.globalAlpha = 0.35;
    for (let pitch = Math.ceil(low / OCTAVE) * OCTAVE; pitch < high; pitch += OCTAVE) {
      drawing.fillRect(0, rows - (pitch - low) * row, columns, 1);
    }
    drawing.fillStyle = style.color;
    for (const [start = 0, duration = 0, pitch = 0, velocity = 0] of part.notes) {
      const [left, right] = [x(start), x(start + duration)];
      if (right < 0 || left > columns) continue;
      drawing.globalAlpha = 0.35 + (0.65 * velocity) / 127;
      drawing.fillRect(
        left,
        rows - (pitch + 0.5 - low) * row - thickness / 2,
        Math.max(1, right - left - 0.5),
        thickness,
      );
    }
  }, [part, view, width, height, low, high, isDark, player]);
  const range = part.notes.length > 0 ? `, from ${noteName(low + MARGIN)} to ${noteName(high - MARGIN - 1)}` : "";
  return (
    <canvas
      class="waveform"
      role="img"
      aria-label={`Notes of ${part.name}${range}`}
      title="The lines are the notes C."
      ref={canvas}
    />
  );
}

/** Return the lowest pitch to show, and the one above the highest. */
function rangeOf(pitches: readonly number[]): readonly [number, number] {
  const low = pitches.reduce((least, one) => Math.min(least, one), 127);
  const high = pitches.reduce((most, one) => Math.max(most, one), 0);
  return pitches.length > 0 ? [low - MARGIN, high + 1 + MARGIN] : NO_RANGE;
}

/** The melody as a line over the waveform of the voice. What has no voice is dimmed. */
export function VoiceOverlay({ player, height }: { player: Player; height: number }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const { start, framesPerPixel } = player.view.value;
  const width = player.width.value;
  const isDark = scheme.value;
  const melody = player.music.melody.value;
  const activity = player.music.analysis.value?.vocal_activity;
  useEffect(() => {
    const drawing = canvas.current && sized(canvas.current, width, height);
    if (!drawing) return;
    const { width: columns, height: rows } = drawing.canvas;
    const scale = columns / width;
    const x = (seconds: number) => ((seconds * player.sampleRateHz - start) / framesPerPixel) * scale;
    const style = getComputedStyle(drawing.canvas);
    if (activity) {
      drawing.fillStyle = style.getPropertyValue("--sunken");
      drawing.globalAlpha = 0.65;
      let silentFrom = 0;
      for (const { start_seconds: from, end_seconds: to } of activity.segments) {
        drawing.fillRect(x(silentFrom), 0, x(from) - x(silentFrom), rows);
        silentFrom = to;
      }
      drawing.fillRect(x(silentFrom), 0, columns - x(silentFrom), rows);
      drawing.globalAlpha = 1;
    }
    if (melody) drawMelody(drawing, melody, x, style.getPropertyValue("--ink"), scale);
  }, [melody, activity, start, framesPerPixel, width, height, isDark, player]);
  if (!melody && !activity) return null;
  const title = [melody && "The line is the melody.", activity && "Parts without voice are dimmed."]
    .filter(Boolean)
    .join(" ");
  return <canvas class="waveform voice" role="img" aria-label={title} ref={canvas} />;
}

function drawMelody(
  drawing: CanvasRenderingContext2D,
  { pitches, hopSeconds, range }: Melody,
  x: (seconds: number) => number,
  colour: string,
  scale: number,
): void {
  const { width, height } = drawing.canvas;
  const [left, hop] = [x(0), x(hopSeconds) - x(0)];
  const [low, high] = range ? [range[0] - MARGIN, range[1] + 1 + MARGIN] : NO_RANGE;
  drawing.strokeStyle = colour;
  drawing.lineWidth = 1.5 * scale;
  drawing.lineJoin = "round";
  drawing.beginPath();
  const visible = [Math.floor(-left / hop), Math.ceil((width - left) / hop) + 1] as const;
  const y = (pitch: number) => height * (1 - (pitch - low) / (high - low));
  traceMelody(drawing, pitches, visible, (index) => left + index * hop, y);
  drawing.stroke();
}
