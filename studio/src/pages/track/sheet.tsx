/** The chord sheet. It follows the position, and has the chords in the key that is heard. */

import "./sheet.css";
import { useComputed } from "@preact/signals";
import { useRef, useState } from "preact/hooks";
import { useAction } from "../../api/requests.ts";
import { beatSeconds, nearestBeat } from "../../audio/bars.ts";
import { chartOf, type ChartSection } from "../../music/chart.ts";
import { easiestCapo, HIGHEST_CAPO } from "../../music/chords.ts";
import { keyText, transposedKey } from "../../music/keys.ts";
import { Button, Notice } from "../../ui/components.tsx";
import { Choice, Field, Form, Submit } from "../../ui/forms.tsx";
import { timeText } from "../../waveform/view.ts";
import { keepInSight, segmentHere, useEachFrame } from "./frames.ts";
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
    const index = segmentHere(player, all.value);
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
        <div class="form">
          <Choice
            label="Capo"
            value={String(music.capo.value)}
            options={capoOptions(player)}
            onInput={(fret) => {
              music.capo.value = Number(fret);
            }}
          />
        </div>
      </div>
      <Correct player={player} />
      <div class="sheet-scroll" tabIndex={0} role="group" aria-label="Bars" ref={scroll}>
        {chart.value.map((section) => (
          <Section key={section.start_seconds} section={section} player={player} />
        ))}
      </div>
    </section>
  );
}

interface Place {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** Corrects the chord at the position, and moves the bars. */
function Correct({ player }: { player: Player }) {
  const { music } = player;
  const [place, setPlace] = useState<Place | null>(null);
  const { isBusy, problem, run } = useAction();
  const names = useComputed(() => [...new Set(music.chords.value.map(({ label }) => music.chordText(label)))]);
  const open = () => {
    const chord = music.chords.value[segmentHere(player, music.chords.value)];
    if (!chord) return;
    const now = player.position / player.sampleRateHz;
    const { start_seconds: from, end_seconds: end } = chord;
    const { beats } = music.grid.value;
    const beat = beats[nearestBeat(beats, now)] ?? from;
    const isLater = beat > from + beatSeconds(beats, now) / 2 && beat < end;
    setPlace({ start: isLater ? beat : from, end, text: music.chordText(chord.label) });
  };
  const save = async (label: string | null) => {
    if (place && (await run(() => music.correctChord(place.start, place.end, label)))) setPlace(null);
  };
  return (
    <>
      <div class="row">
        <Button
          label="Correct the chord at the position"
          pressed={place !== null}
          onClick={() => (place ? setPlace(null) : open())}
        >
          Correct the chord
        </Button>
        <span class="quiet">Bars</span>
        <Button
          label="−1 beat: move the bars one beat back"
          disabled={isBusy}
          onClick={() => void run(() => music.moveBars(-1))}
        >
          −1 beat
        </Button>
        <Button
          label="+1 beat: move the bars one beat on"
          disabled={isBusy}
          onClick={() => void run(() => music.moveBars(1))}
        >
          +1 beat
        </Button>
        {music.corrections.value.bar_one_seconds !== null && (
          <Button
            label="Bars as detected"
            disabled={isBusy}
            onClick={() => void run(() => music.correct({ bar_one_seconds: null }))}
          >
            as detected
          </Button>
        )}
      </div>
      {place && (
        <Form label="Correct the chord" onSubmit={() => void save(music.labelOf(place.text.trim()))}>
          <Field
            label={`Chord from ${timeText(place.start, 1)} to ${timeText(place.end, 1)}`}
            value={place.text}
            suggestions={names.value}
            maxLength={20}
            required
            onInput={(text) => setPlace({ ...place, text })}
          />
          <Submit disabled={isBusy}>Save</Submit>
          <Button label="As detected" disabled={isBusy} onClick={() => void save(null)}>
            As detected
          </Button>
        </Form>
      )}
      {problem && <Notice look="bad">{problem}</Notice>}
    </>
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
            {bar.chords.map((chord, index) => (
              <button
                type="button"
                key={chord.beat}
                class={chord.isHeld ? "held" : ""}
                style={{ gridColumn: `${chord.beat + 1} / ${(bar.chords[index + 1]?.beat ?? bar.beatCount) + 1}` }}
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
