/** The chord sheet. It follows the position, and has the chords in the key that is heard. */

import "./sheet.css";
import { useComputed } from "@preact/signals";
import { useRef } from "preact/hooks";
import { chartOf, type ChartSection } from "../../music/chart.ts";
import { easiestCapo, HIGHEST_CAPO, segmentAt } from "../../music/chords.ts";
import { keyText, transposedKey } from "../../music/keys.ts";
import { Button } from "../../ui/components.tsx";
import { Choice } from "../../ui/forms.tsx";
import { timeText } from "../../waveform/view.ts";
import { useEachFrame } from "./frames.ts";
import { sectionColour } from "./harmony.tsx";
import type { Player } from "./player.ts";

export function ChordSheet({ player }: { player: Player }) {
  const { music } = player;
  const chart = useComputed(() => chartOf(music.grid.value, music.chords.value, music.sections.value));
  const scroll = useRef<HTMLDivElement>(null);
  const shown = useRef<Element | null>(null);
  const all = useComputed(() => chart.value.flatMap(({ bars }) => bars.flatMap(({ chords }) => chords)));
  useEachFrame(() => {
    const box = scroll.current;
    const index = segmentAt(all.value, player.position / player.sampleRateHz + 0.01);
    const chord = box?.querySelectorAll(".chart-bar button")[index] ?? null;
    if (!box || chord === shown.current) return;
    shown.current?.removeAttribute("aria-current");
    shown.current = chord;
    chord?.setAttribute("aria-current", "true");
    if (chord && player.isPlaying.value) keepInSight(box, chord);
  });
  if (music.chords.value.length === 0) return null;
  return (
    <section class="panel sheet" aria-label="Chord sheet">
      <div class="row apart">
        <div>
          <h2>Chord sheet</h2>
          <p class="quiet">{keysText(player)}</p>
        </div>
        <Choice
          label="Capo"
          value={String(music.capo.value)}
          options={capoOptions(player)}
          onInput={(fret) => {
            music.capo.value = Number(fret);
          }}
        />
      </div>
      <div class="sheet-scroll" tabIndex={0} role="group" aria-label="Bars" ref={scroll}>
        {chart.value.map((section) => (
          <Section key={section.start_seconds} section={section} player={player} />
        ))}
      </div>
    </section>
  );
}

function Section({ section, player }: { section: ChartSection; player: Player }) {
  const { label, start_seconds: start, end_seconds: end, bars } = section;
  return (
    <section aria-label={label && `Section ${label}, ${timeText(start)}`}>
      {label && (
        <div class="row" data-colour={sectionColour(label)}>
          <h3>{label}</h3>
          <span class="quiet number">{timeText(start)}</span>
          <Button
            label={`Loop section ${label} at ${timeText(start)}`}
            look="quiet"
            icon="loop"
            onClick={() => player.loopSeconds(start, end)}
          />
        </div>
      )}
      <ol class="chart-bars">
        {bars.map((bar) => (
          <li class="chart-bar" key={bar.start_seconds} style={{ "--beats": bar.beatCount }}>
            <span class="quiet number">{bar.number ?? ""}</span>
            {bar.chords.map((chord) => (
              <button
                type="button"
                key={chord.beat}
                class={chord.isHeld ? "held" : ""}
                style={{ gridColumnStart: chord.beat + 1 }}
                onClick={() => player.seek(chord.start_seconds * player.sampleRateHz)}
              >
                {player.music.chordText(chord.label)}
              </button>
            ))}
          </li>
        ))}
      </ol>
    </section>
  );
}

function keysText({ music }: Player): string {
  const { capo, heardKey, key, semitones } = music;
  if (!heardKey.value) return "Click a chord to go there.";
  const shapes = keyText(transposedKey(key.value, semitones.value - capo.value));
  return `In ${keyText(heardKey.value)}${capo.value > 0 ? `, with shapes of ${shapes}` : ""}. Click a chord to go there.`;
}

function capoOptions({ music }: Player): (readonly [string, string])[] {
  const easiest = easiestCapo(music.chords.value, music.semitones.value);
  return Array.from({ length: HIGHEST_CAPO + 1 }, (_, fret) => {
    const name = fret === 0 ? "none" : `fret ${fret}`;
    return [String(fret), fret === easiest ? `${name} (easiest)` : name] as const;
  });
}

/** Scroll the sheet, and not the page, when the next line plays. */
function keepInSight(box: HTMLElement, chord: Element): void {
  const [outer, inner] = [box.getBoundingClientRect(), chord.getBoundingClientRect()];
  if (inner.top >= outer.top && inner.bottom + inner.height <= outer.bottom) return;
  box.scrollBy({ top: inner.top - outer.top - outer.height / 4, behavior: "smooth" });
}
