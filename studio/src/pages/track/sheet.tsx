/** The chord sheet. It follows the position, and has the chords in the key that is heard. */

import "./sheet.css";
import { type ReadonlySignal, useComputed, useSignal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { useAction } from "../../api/requests.ts";
import { beatSeconds, nearestBeat } from "../../audio/bars.ts";
import { blocksOf, type ChartChord, chartOf, type ChartSection } from "../../music/chart.ts";
import { easiestCapo, HIGHEST_CAPO } from "../../music/chords.ts";
import { keyText, transposedKey } from "../../music/keys.ts";
import { Button, Notice } from "../../ui/components.tsx";
import { Choice, Field, Form, Submit } from "../../ui/forms.tsx";
import { timeText } from "../../waveform/view.ts";
import { keepInSight, segmentHere, useEachFrame } from "./frames.ts";
import { sectionColour } from "./harmony.tsx";
import type { Player } from "./player.ts";

/** Bars that appear together. Whole rows at each width. */
const BLOCK_BARS = 32;

export function ChordSheet({ player }: { player: Player }) {
  const { music } = player;
  const chart = useComputed(() => chartOf(music.grid.value, music.chords.value, music.sections.value));
  const blocks = useComputed(() => blocksOf(chart.value, BLOCK_BARS));
  const all = useComputed(() => chart.value.flatMap(({ bars }) => bars.flatMap(({ chords }) => chords)));
  const current = useSignal<ChartChord | null>(null);
  useEachFrame(() => {
    current.value = all.value[segmentHere(player, all.value)] ?? null;
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
      <div class="sheet-scroll" tabIndex={0} role="group" aria-label="Bars">
        {blocks.value.map((block) => (
          <Block key={block.bars[0]?.start_seconds} block={block} player={player} current={current} />
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

interface BlockProps {
  readonly block: ChartSection;
  readonly player: Player;
  readonly current: ReadonlySignal<ChartChord | null>;
}

/** A section, or a part of a long one. Out of sight it only keeps its place: a recording of hours has thousands of bars. */
function Block({ block, player, current }: BlockProps) {
  const { label, start_seconds: start, end_seconds: end, bars } = block;
  const element = useRef<HTMLElement>(null);
  const [isNear, setNear] = useState(false);
  const here = useComputed(() => {
    const chord = current.value;
    return chord && bars.some(({ chords }) => chords.includes(chord)) ? chord : null;
  }).value;
  useEffect(() => {
    if (!element.current) return;
    const box = element.current.closest(".sheet-scroll");
    const observer = new IntersectionObserver((seen) => setNear(seen.at(-1)?.isIntersecting ?? false), {
      root: box,
      rootMargin: "50%",
    });
    observer.observe(element.current);
    return () => observer.disconnect();
  }, []);
  useEffect(() => {
    const box = element.current?.closest<HTMLElement>(".sheet-scroll");
    const chord = element.current?.querySelector("[aria-current]");
    if (box && chord && player.isPlaying.value) keepInSight(box, chord);
  }, [here, player]);
  return (
    <section
      class="sheet-block"
      aria-label={label && `Section ${label}, ${timeText(start)}`}
      style={{ "--bars": bars.length }}
      ref={element}
    >
      {label && (
        <div class="sheet-heading row" data-colour={sectionColour(label)}>
          {(isNear || here) && (
            <>
              <h3>{label}</h3>
              <span class="quiet number">{timeText(start)}</span>
              <Button
                label={`Loop section ${label} at ${timeText(start)}`}
                look="quiet"
                icon="loop"
                onClick={() => player.loopSeconds(start, end)}
              />
            </>
          )}
        </div>
      )}
      <ol class="chart-bars">
        {(isNear || here) &&
          bars.map((bar) => (
            <li class="chart-bar" key={bar.start_seconds} style={{ "--beats": bar.beatCount }}>
              <span class="quiet number">{bar.number ?? ""}</span>
              {bar.chords.map((chord, index) => (
                <button
                  type="button"
                  key={chord.beat}
                  class={chord.isHeld ? "held" : ""}
                  aria-current={chord === here || undefined}
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
