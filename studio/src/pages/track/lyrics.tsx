/** The lyrics, whose lines and words follow the position, and their editor. */

import "./lyrics.css";
import type { ComponentChildren } from "preact";
import { useId, useRef, useState } from "preact/hooks";
import { useAction } from "../../api/requests.ts";
import { segmentAt } from "../../music/chords.ts";
import { linesOf, lrcText, type LyricLine, type TimedLine, timedLines, withLine } from "../../music/lrc.ts";
import { Button, Notice } from "../../ui/components.tsx";
import { Field, Form, Submit } from "../../ui/forms.tsx";
import { timeText } from "../../waveform/view.ts";
import { keepInSight, secondsHere, segmentHere, useEachFrame } from "./frames.ts";
import type { Player } from "./player.ts";

const TEXT_LIMIT = 30_000;
const LINE_LIMIT = 500;

/** What is being edited: the text of a line, the whole text, or the times of lines that have none. */
type Edit =
  | { readonly kind: "line"; readonly line: TimedLine; readonly text: string }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "times"; readonly lines: readonly LyricLine[] };

export function Lyrics({ player }: { player: Player }) {
  const { music } = player;
  const [edit, setEdit] = useState<Edit | null>(null);
  const { isBusy, problem, run } = useAction();
  const lines = edit?.kind === "times" ? edit.lines : music.lyrics.value;
  const timed = timedLines(lines);
  const reset = music.analysis.value?.lyrics ? "As detected" : "Remove";
  const store = async (changed: readonly LyricLine[] | null) => {
    // Another edit may have begun meanwhile.
    if (await run(() => music.correctLyrics(changed))) setEdit((now) => (now === edit ? null : now));
  };
  const toggle = (opened: Edit) => setEdit(edit?.kind === opened.kind ? null : opened);
  const correctLine = () => {
    const line = timed[segmentHere(player, timed)] ?? timed[0];
    if (line) toggle({ kind: "line", line, text: line.text });
  };
  return (
    <section class="panel lyrics" aria-label="Lyrics">
      <h2>Lyrics</h2>
      <p class="quiet">{originOf(player)}</p>
      <div class="row">
        {timed.length > 0 && edit?.kind !== "times" && (
          <Button label="Correct the line at the position" pressed={edit?.kind === "line"} onClick={correctLine}>
            Correct the line
          </Button>
        )}
        {music.lyrics.value.some((line) => line.start_seconds === null) && (
          <Button
            label="Time the lines: mark where each begins"
            pressed={edit?.kind === "times"}
            onClick={() => toggle({ kind: "times", lines: music.lyrics.value })}
          >
            Time the lines
          </Button>
        )}
        <Button
          label={lines.length > 0 ? "Edit as text: the lyrics" : "Add lyrics"}
          pressed={edit?.kind === "text"}
          onClick={() => toggle({ kind: "text", text: lrcText(music.lyrics.value) })}
        >
          {lines.length > 0 ? "Edit as text" : "Add lyrics"}
        </Button>
        {music.corrections.value.lyrics != null && (
          <Button label={`${reset}: the lyrics`} disabled={isBusy} onClick={() => void store(null)}>
            {reset}
          </Button>
        )}
      </div>
      {edit?.kind === "line" && (
        <Form label="Correct the line" onSubmit={() => void store(withLine(lines, edit.line, edit.text))}>
          <Field
            label={`Line at ${timeText(edit.line.start_seconds, 1)}`}
            value={edit.text}
            maxLength={LINE_LIMIT}
            onInput={(text) => setEdit({ ...edit, text })}
          />
          <Submit disabled={isBusy}>Save</Submit>
        </Form>
      )}
      {edit?.kind === "text" && (
        <Form label="Edit the lyrics" onSubmit={() => void store(linesOf(edit.text))}>
          <WholeText text={edit.text} onInput={(text) => setEdit({ kind: "text", text })} />
          <Submit disabled={isBusy}>Save</Submit>
        </Form>
      )}
      {edit?.kind === "times" && (
        <Times player={player} lines={edit.lines} onChange={(changed) => setEdit({ kind: "times", lines: changed })}>
          <Button label="Save the times" look="primary" disabled={isBusy} onClick={() => void store(edit.lines)}>
            Save the times
          </Button>
        </Times>
      )}
      {problem && <Notice look="bad">{problem}</Notice>}
      <Lines player={player} lines={lines} timed={timed} />
    </section>
  );
}

function WholeText({ text, onInput }: { text: string; onInput: (text: string) => void }) {
  const id = useId();
  return (
    <div class="form-field lyric-text">
      <label for={id}>LRC, or text without times</label>
      <textarea
        id={id}
        class="input"
        rows={10}
        maxLength={TEXT_LIMIT}
        value={text}
        placeholder={"[00:12.30]A line begins with its time\nor without one"}
        onInput={(event) => onInput(event.currentTarget.value)}
      />
    </div>
  );
}

interface TimesProps {
  player: Player;
  lines: readonly LyricLine[];
  onChange: (lines: readonly LyricLine[]) => void;
  children: ComponentChildren;
}

/** Marks where lines begin while the song plays. */
function Times({ player, lines, onChange, children }: TimesProps) {
  const next = lines.find((line) => line.start_seconds === null);
  const mark = () => {
    const start = Math.round(100 * secondsHere(player)) / 100;
    onChange(lines.map((line) => (line === next ? { ...line, start_seconds: start } : line)));
  };
  return (
    <div class="row">
      {next ? (
        <>
          <Button label="The next line begins here" onClick={mark}>
            Begins here
          </Button>
          <span>{next.text}</span>
        </>
      ) : (
        <span class="quiet">All lines have times.</span>
      )}
      {children}
    </div>
  );
}

/** All lines. The one at the position is marked, and the words that were sung. */
function Lines({ player, lines, timed }: { player: Player; lines: readonly LyricLine[]; timed: readonly TimedLine[] }) {
  const scroll = useRef<HTMLDivElement>(null);
  const shown = useRef<Element | null>(null);
  useEachFrame(() => {
    const box = scroll.current;
    const index = segmentHere(player, timed);
    const row = box?.querySelectorAll("button.lyric")[index] ?? null;
    if (box && row !== shown.current) {
      shown.current?.removeAttribute("aria-current");
      shown.current = row;
      row?.setAttribute("aria-current", "true");
      if (row && player.isPlaying.value) keepInSight(box, row);
    }
    if (!row) return;
    const sung = segmentAt(timed[index]?.words ?? [], secondsHere(player));
    [...row.children].forEach((word, place) => word.classList.toggle("sung", place <= sung));
  });
  if (lines.length === 0) return null;
  return (
    <div class="lyric-lines" tabIndex={0} role="group" aria-label="Lines" ref={scroll}>
      {lines.map(({ start_seconds: start, text, words }, index) =>
        start === null ? (
          <p class="lyric" key={index}>
            {text}
          </p>
        ) : (
          <button type="button" class="lyric" key={index} onClick={() => player.seek(start * player.sampleRateHz)}>
            {words.length > 0 ? words.map((word, place) => <span key={place}>{word.text}</span>) : text}
          </button>
        ),
      )}
    </div>
  );
}

function originOf({ music }: Player): string {
  const detected = music.analysis.value?.lyrics;
  if (music.corrections.value.lyrics != null) return "Your own lyrics. Click a line to go there.";
  if (!detected)
    return "Paste lyrics as LRC or text. If this server has a model for speech, “Analyse again” reads them, too.";
  if (detected.lines.length === 0) return `No words were found in the ${detected.source}.`;
  return `Read from the ${detected.source} (${detected.language}). Some words are wrong: correct them. Click a line to go there.`;
}
