/** The lane of chords and sections, and the chord of the moment. */

import "./harmony.css";
import { useEffect, useRef } from "preact/hooks";
import { rootOf } from "../../music/chords.ts";
import { scheme, sized } from "../../waveform/canvas.tsx";
import { timeText } from "../../waveform/view.ts";
import { useSegmentAt } from "./frames.ts";
import type { Player } from "./player.ts";

const CHORD_HEIGHT = 30;
const CHARACTER_PIXELS = 8;
const PADDING_PIXELS = 8;
/** The lanes have these colours. Sections with the same letter have the same one. */
const COLOURS = ["other", "vocals", "guitar", "drums", "piano", "bass"];

interface Place {
  readonly start_seconds: number;
  readonly end_seconds: number;
}

/** Return the name of the colour of a section. */
export function sectionColour(label: string): string {
  return COLOURS[(label.charCodeAt(0) - 65 + 6 * COLOURS.length) % COLOURS.length] ?? "mix";
}

export function HarmonyLane({ player }: { player: Player }) {
  const { music } = player;
  const chords = music.chords.value;
  const sections = music.sections.value;
  const { start, framesPerPixel } = player.view.value;
  const width = player.width.value;
  const canvas = useRef<HTMLCanvasElement>(null);
  const isDark = scheme.value;
  const rate = player.sampleRateHz;
  const x = (seconds: number) => (seconds * rate - start) / framesPerPixel;
  const isVisible = ({ start_seconds: from, end_seconds: to }: Place) => x(to) > 0 && x(from) < width;
  // A name that begins before the visible part stays in sight.
  const style = ({ start_seconds: from, end_seconds: to }: Place) => {
    const left = Math.max(0, x(from));
    return { left: `${left}px`, width: `${Math.min(width, x(to)) - left}px` };
  };
  const { shift } = music;
  useEffect(() => {
    const drawing = canvas.current && sized(canvas.current, width, CHORD_HEIGHT);
    if (!drawing) return;
    const scale = drawing.canvas.width / width;
    for (const { start_seconds: from, end_seconds: to, label } of chords) {
      const root = rootOf(label);
      const left = (from * rate - start) / framesPerPixel;
      const right = (to * rate - start) / framesPerPixel;
      if (root < 0 || right < 0 || left > width) continue;
      const isMinor = /^[A-G][#b]?m(?!aj)/.test(label);
      const lightness = isDark ? (isMinor ? 0.34 : 0.42) : isMinor ? 0.82 : 0.9;
      // Neighbours on the circle of fifths have neighbouring colours.
      drawing.fillStyle = `oklch(${lightness} 0.08 ${(7 * (root + shift + 24) * 30) % 360})`;
      drawing.fillRect(left * scale, 0, Math.max(1, (right - left) * scale - 1), drawing.canvas.height);
    }
  }, [chords, start, framesPerPixel, width, rate, shift, isDark]);
  if (chords.length === 0 && sections.length === 0) return null;
  const title = chords.length === 0 ? "Sections" : sections.length === 0 ? "Chords" : "Chords and sections";
  return (
    <section class="lane harmony" aria-label={title}>
      <div class="lane-head">
        <h3>{title}</h3>
        {music.capo.value > 0 && <p class="quiet">Shapes with the capo at fret {music.capo.value}</p>}
      </div>
      <div class="lane-wave" data-seek>
        {sections.length > 0 && (
          <div class="section-bands">
            {sections.filter(isVisible).map((section) => (
              <span
                key={section.start_seconds}
                data-colour={sectionColour(section.label)}
                title={`Section ${section.label}, ${timeText(section.start_seconds)} to ${timeText(section.end_seconds)}. Double click to loop it.`}
                style={style(section)}
                onDblClick={() => player.loopSeconds(section.start_seconds, section.end_seconds)}
              >
                {section.label}
              </span>
            ))}
          </div>
        )}
        {chords.length > 0 && (
          <div class="chord-blocks" title="Zoom in to read all names.">
            <canvas class="waveform" role="img" aria-label="Chords over time" ref={canvas} />
            {chords.filter(isVisible).map((chord) => {
              const name = music.chordText(chord.label);
              const place = style(chord);
              return (
                parseFloat(place.width) >= CHARACTER_PIXELS * name.length + PADDING_PIXELS && (
                  <span key={chord.start_seconds} style={place}>
                    {name}
                  </span>
                )
              );
            })}
          </div>
        )}
      </div>
    </section>
  );
}

/** The chord at the position, large, and the next one. */
export function CurrentChord({ player }: { player: Player }) {
  const { music } = player;
  const chords = music.chords.value;
  const index = useSegmentAt(player, chords);
  if (chords.length === 0) return null;
  const [current, next] = [chords[index], chords[index + 1]];
  return (
    <p class="current-chord" aria-label="Chord at the position">
      <b>{current ? music.chordText(current.label) : "–"}</b>
      <span class="quiet">{next && `then ${music.chordText(next.label)}`}</span>
    </p>
  );
}
