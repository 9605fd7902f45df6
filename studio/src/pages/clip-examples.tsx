/** The card of a clip and the bar of the player in every state, for the page of components. */

import { signal } from "@preact/signals";
import { useState } from "preact/hooks";
import type { Mark } from "../api/clips.ts";
import type { Clip } from "../api/client.ts";
import { PlayerBarView, SeekView } from "../player/bar.tsx";
import { Section } from "../ui/forms.tsx";
import { Waveform } from "../waveform/canvas.tsx";
import { type Pyramid, pyramidOf } from "../waveform/peaks.ts";
import { whole } from "../waveform/view.ts";
import { ClipCardView } from "./clips/card.tsx";

const PIXELS = 160;
const FRAMES_PER_PIXEL = 256;
const PAIRS = Int8Array.from({ length: 2 * PIXELS }, (_, at) => (at % 2 ? 1 : -1) * (20 + 90 * Math.sin(at / 23) ** 2));
const PEAKS = signal<Pyramid | null>(pyramidOf({ framesPerPixel: FRAMES_PER_PIXEL, pairs: PAIRS }));
const LOADING = signal<Pyramid | null>(null);
const UNMARKED: Mark = { vote: 0, isFavorite: false, upvotes: 12, downvotes: 1 };
const LONG = "a prompt that is much longer than its card, with strings and brass and a choir far away "
  .repeat(3)
  .trim();
const PROBLEM = "Something failed. This is what to do.";
const CLIP: Clip = {
  id: "example",
  filename: "example.wav",
  prompt: "slow cello over vinyl crackle",
  model: "music",
  duration: 20,
  is_loop: 0,
  quality_score: null,
  spectrogram: null,
  upvotes: 12,
  downvotes: 1,
  category: null,
  user_id: null,
  created_at: null,
  rating: null,
  play_count: 3,
  unique_plays: 2,
  seed: 7,
  engine: "procedural",
  engine_model: "procedural",
  degraded: false,
  continued_from: null,
  interpretation: null,
};
const INTERPRETATION: NonNullable<Clip["interpretation"]> = {
  style: "bossa",
  tempo_bpm: 128,
  key: "D major",
  bars: 8,
  instruments: ["nylon guitar", "flute", "upright bass", "drums"],
  sounds: ["rain"],
  chosen: ["tempo_bpm"],
  ignored_words: ["granular"],
  ignored_parameters: ["duration"],
};
const nothing = () => {};

export function ClipExamples() {
  return (
    <>
      <Section title="Cards of clips">
        <ul class="clip-grid" aria-label="Example clips">
          <Card state="new" />
          <Card state="paused" isCurrent />
          <Card state="playing" isCurrent isPlaying />
          <Card state="voted for, favorite" mark={{ ...UNMARKED, vote: 1, isFavorite: true, upvotes: 13 }} />
          <Card state="voted against" mark={{ ...UNMARKED, vote: -1, downvotes: 2 }} />
          <Card state="with what was understood" clip={{ interpretation: INTERPRETATION }} />
          <Card state="made by another model, a loop" clip={{ degraded: true, is_loop: 1 }} />
          <Card state="without its waveform" isLoading />
          <Card state={LONG} mark={{ ...UNMARKED, upvotes: 12_345, downvotes: 6789 }} />
          <Card state="dragged" isDragged />
          <Card state="added to a playlist" said="Added to Slow evenings." />
          <Card state="with a problem" problem={PROBLEM} />
        </ul>
      </Section>
      <Section title="Bars of the player">
        <Bar state="paused" isPaused />
        <Bar state="playing" />
        <Bar state="the last of the queue, repeated" repeats clipCount={1} />
        <Bar state={LONG} />
        <Bar state="with a problem" isPaused problem="This clip could not be loaded. This is what to do." />
      </Section>
    </>
  );
}

interface CardProps {
  readonly state: string;
  readonly clip?: Partial<Clip>;
  readonly mark?: Mark;
  readonly isCurrent?: boolean;
  readonly isPlaying?: boolean;
  readonly isDragged?: boolean;
  readonly isLoading?: boolean;
  readonly said?: string;
  readonly problem?: string;
}

function Card({ state, clip, mark, isCurrent, isPlaying, isDragged, isLoading, said, problem }: CardProps) {
  return (
    <li>
      <ClipCardView
        clip={{ ...CLIP, prompt: state, ...clip }}
        mark={mark ?? UNMARKED}
        level={3}
        isCurrent={isCurrent ?? false}
        isPlaying={isPlaying ?? false}
        isDragged={isDragged ?? false}
        said={said ?? ""}
        problem={problem ?? ""}
        waveform={<Wave isLoading={isLoading ?? false} state={state} />}
        onPlay={nothing}
        onVote={nothing}
        onFavorite={nothing}
        onMore={nothing}
      />
    </li>
  );
}

function Wave({ isLoading, state }: { isLoading: boolean; state: string }) {
  return (
    <div class="clip-waveform">
      <Waveform
        peaks={isLoading ? LOADING : PEAKS}
        view={whole(PIXELS * FRAMES_PER_PIXEL, PIXELS)}
        width={PIXELS}
        height={48}
        label={`Waveform of ${state}`}
      />
    </div>
  );
}

interface BarProps {
  readonly state: string;
  readonly isPaused?: boolean;
  readonly repeats?: boolean;
  readonly clipCount?: number;
  readonly problem?: string;
}

function Bar({ state, isPaused = false, repeats = false, clipCount = 48, problem = "" }: BarProps) {
  const [volume, setVolume] = useState(0.8);
  const [seconds, seek] = useState(7);
  return (
    // The frame is as high as the bar, which would else stay at the bottom of the window.
    <div>
      <PlayerBarView
        clip={{ ...CLIP, prompt: state }}
        label={`Player, ${state}`}
        isPaused={isPaused}
        seek={<SeekView position={seconds} duration={CLIP.duration} onSeek={seek} />}
        volume={volume}
        repeats={repeats}
        clipCount={clipCount}
        hasNext={clipCount > 1}
        problem={problem}
        onToggle={nothing}
        onPrevious={nothing}
        onNext={nothing}
        onVolume={setVolume}
        onRepeat={nothing}
        onQueue={nothing}
        onClose={nothing}
      />
    </div>
  );
}
