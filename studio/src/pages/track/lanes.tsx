/** The waveforms: minimap, ruler, one lane for each stem, and the line at the position. */

import { effect, type Signal, useComputed, useSignal } from "@preact/signals";
import { useCallback, useEffect, useMemo, useRef } from "preact/hooks";
import type { LiveFeed } from "../../api/live.ts";
import { nearestBeat } from "../../audio/bars.ts";
import { isHeard } from "../../audio/mix.ts";
import type { Range } from "../../audio/timeline.ts";
import { keyText } from "../../music/keys.ts";
import { Button, Fader, LevelMeter, Pan } from "../../ui/components.tsx";
import { loadPeaks, loadPeaksFrom, Waveform } from "../../waveform/canvas.tsx";
import type { Pyramid } from "../../waveform/peaks.ts";
import { timeMarks, timeText, whole } from "../../waveform/view.ts";
import { Spectrogram } from "../../waveform/spectrogram.tsx";
import { useEachFrame } from "./frames.ts";
import { useGestures, useLoopSelection } from "./gestures.ts";
import { HarmonyLane } from "./harmony.tsx";
import { PianoRoll, VoiceOverlay } from "./notes.tsx";
import type { Player } from "./player.ts";
import { liveWaveformOf, type PlayedStem, waveformOf } from "./sources.ts";
import { Series } from "./series.tsx";

const LANE_HEIGHT = 76;
const MINIMAP_HEIGHT = 40;
/** A waveform that grows is loaded again when it is this much longer, so that all loads together are a few whole ones. */
const GROWTH = 1.2;
const KNOWN_COLOURS = ["drums", "bass", "other", "vocals", "guitar", "piano"];

/** Return the name of the colour of a stem. */
export function colourOf(stemType: string): string {
  return KNOWN_COLOURS.includes(stemType) ? stemType : "mix";
}

export function Lanes({ player, onHelp }: { player: Player; onHelp: () => void }) {
  const area = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = area.current;
    if (!element) return;
    const observer = new ResizeObserver(() => player.resize(Math.max(1, element.clientWidth)));
    observer.observe(element);
    return () => observer.disconnect();
  }, [player]);
  const all = useRef<HTMLDivElement>(null);
  useGestures(all, player);
  const dragged = useSignal<Range | null>(null);
  return (
    <div class="lanes" ref={all}>
      <div class="corner row">
        <Button label="Zoom out" icon="minus" look="quiet" onClick={() => player.zoom(0.5)} />
        <Button label="Zoom in" icon="plus" look="quiet" onClick={() => player.zoom(2)} />
        <Button label="Show all of the track" look="quiet" onClick={() => player.showAll()}>
          All
        </Button>
        {player.hasSpectrograms && <PictureButton player={player} picture="spectrogram" label="Show spectrograms" />}
        {player.music.parts.value.length > 0 && <PictureButton player={player} picture="notes" label="Show notes" />}
        <Button label="Keyboard shortcuts" icon="help" look="quiet" onClick={onHelp} />
      </div>
      <Minimap player={player} />
      <Ruler player={player} dragged={dragged} />
      <HarmonyLane player={player} />
      <Series player={player} values={player.music.analysis.value?.features} />
      {player.stems.map((stem, index) => (
        <LaneRow key={stem.id} player={player} stem={stem} number={index + 1} />
      ))}
      <div class="overlay" ref={area}>
        <BarLines player={player} />
        <NotYet player={player} />
        <LoopMark player={player} dragged={dragged} />
        <Playhead player={player} />
      </div>
    </div>
  );
}

/** Lets the lanes show another picture than their waveforms. */
function PictureButton({
  player,
  picture,
  label,
}: {
  player: Player;
  picture: "spectrogram" | "notes";
  label: string;
}) {
  const isShown = player.picture.value === picture;
  return (
    <Button
      label={label}
      icon={picture}
      look="quiet"
      pressed={isShown}
      onClick={() => {
        player.picture.value = isShown ? "waveform" : picture;
      }}
    />
  );
}

function LaneRow({ player, stem, number }: { player: Player; stem: PlayedStem; number: number }) {
  const name = stem.stem_type;
  const heard = player.heardStem(name);
  const peaks = usePeaks(heard);
  const picture = player.picture.value;
  const part = player.music.parts.value.find((one) => one.name === name);
  const lane = player.lane(name);
  const isSilent = useComputed(
    () => player.hearsOriginal.value || !isHeard(player.lane(name), Object.values(player.lanes.value)),
  );
  const level = useCallback(() => player.level(name), [player, name]);
  const hearsOther = player.switched.value.has(name);
  return (
    <section class={`lane ${isSilent.value ? "silent" : ""}`} aria-label={name} data-colour={colourOf(name)}>
      <div class="lane-head">
        <h3>
          {name.replaceAll("_", " ")} {!player.isWhole && <kbd title="Key that mutes it">{number}</kbd>}
        </h3>
        {!player.isWhole && (
          <div class="lane-switches">
            <Button
              label={`Mute ${name}`}
              pressed={lane.mute}
              onClick={() => player.change(name, { mute: !lane.mute })}
            >
              M
            </Button>
            <Button
              label={`Solo ${name}`}
              pressed={lane.solo}
              onClick={() => player.change(name, { solo: !lane.solo })}
            >
              S
            </Button>
            {player.others.size > 0 && (
              <Button
                label={`Hear separation B of ${name}`}
                pressed={hearsOther}
                onClick={() => player.switchTo(!hearsOther, [name])}
              >
                {hearsOther ? "B" : "A"}
              </Button>
            )}
          </div>
        )}
        <Fader label={`Volume of ${name}`} volume={lane.volume} onInput={(volume) => player.change(name, { volume })} />
        <Pan label={`Pan of ${name}`} pan={lane.pan} onInput={(pan) => player.change(name, { pan })} />
        <LevelMeter label={`Level of ${name}`} level={level} active={player.state.value === "playing"} />
      </div>
      <div class="lane-wave" data-seek>
        {picture === "spectrogram" && heard ? (
          <Spectrogram
            stemId={heard.id}
            frameCount={heard.frame_count}
            view={player.view.value}
            width={player.width.value}
            height={LANE_HEIGHT}
            label={`Spectrogram of ${name}`}
          />
        ) : picture === "notes" && part ? (
          <PianoRoll part={part} player={player} height={LANE_HEIGHT} />
        ) : (
          <Waveform
            peaks={peaks}
            view={player.view.value}
            width={player.width.value}
            height={LANE_HEIGHT}
            scale={player.waveScale}
            label={`Waveform of ${name}`}
          />
        )}
        {picture === "waveform" && (name === "vocals" || player.isWhole) && (
          <VoiceOverlay player={player} height={LANE_HEIGHT} />
        )}
      </div>
    </section>
  );
}

function usePeaks(stem: PlayedStem | null, isOverview = false): Signal<Pyramid | null> {
  const peaks = useSignal<Pyramid | null>(null);
  useEffect(() => {
    peaks.value = null;
    // Without peaks, the lane stays empty. Everything else works.
    if (!stem) return;
    if (stem.live) return followPeaks(stem, stem.live.feed, peaks);
    loadPeaks(waveformOf(stem), stem.frame_count, peaks, isOverview).catch(() => {});
  }, [stem, peaks, isOverview]);
  return peaks;
}

/** Load the peaks of a stem that grows. Return a function that stops this. */
function followPeaks(stem: PlayedStem, feed: LiveFeed, peaks: Signal<Pyramid | null>): () => void {
  let loaded = 0;
  return effect(() => {
    const found = feed.state.value;
    const ready = found?.ready_segment_count ?? 0;
    if (ready < loaded * GROWTH && found?.state !== "completed") return;
    loaded = ready;
    loadPeaksFrom(liveWaveformOf(stem), peaks).catch(() => {});
  });
}

/** Covers the part of the lanes that is not there yet. */
function NotYet({ player }: { player: Player }) {
  const found = player.feed?.state.value;
  if (!found?.segment_frame_count || found.state === "completed") return null;
  const { start, framesPerPixel } = player.view.value;
  const left = Math.max(0, (found.ready_segment_count * found.segment_frame_count - start) / framesPerPixel);
  return <div class="not-yet" style={{ left: `${left}px` }} />;
}

/** The whole track, and what part of it is visible. A click shows another part. */
function Minimap({ player }: { player: Player }) {
  const shown = player.mix ?? player.stems[0];
  const { start, framesPerPixel } = player.view.value;
  const width = player.width.value;
  const left = (100 * start) / player.frameCount;
  const share = Math.min(100, (100 * width * framesPerPixel) / player.frameCount);
  const move = (event: PointerEvent) => {
    if (!(event.buttons & 1) || !(event.currentTarget instanceof HTMLElement)) return;
    const box = event.currentTarget.getBoundingClientRect();
    const middle = ((event.clientX - box.left) / box.width) * player.frameCount;
    player.show({ start: middle - (width * framesPerPixel) / 2, framesPerPixel });
  };
  return (
    <div class="minimap" onPointerDown={move} onPointerMove={move}>
      {shown && <MinimapWave stem={shown} player={player} />}
      <div class="minimap-view" style={{ left: `${left}%`, width: `${share}%` }} />
    </div>
  );
}

function MinimapWave({ stem, player }: { stem: PlayedStem; player: Player }) {
  const peaks = usePeaks(stem, true);
  const width = player.width.value;
  const view = useMemo(() => whole(player.frameCount, width), [player, width]);
  return (
    <Waveform peaks={peaks} view={view} width={width} height={MINIMAP_HEIGHT} label="Waveform of the whole track" />
  );
}

interface LoopProps {
  player: Player;
  /** The loop while it is selected, or while an edge is dragged. The player follows when the pointer is released. */
  dragged: Signal<Range | null>;
}

function Ruler({ player, dragged }: LoopProps) {
  const view = player.view.value;
  const width = player.width.value;
  const element = useRef<HTMLDivElement>(null);
  useLoopSelection(element, player, dragged);
  return (
    <div
      class="ruler"
      ref={element}
      aria-hidden="true"
      title="Drag to loop a part. Click to go there. Double click to loop a saved loop or a bar."
    >
      {timeMarks(view, width, player.sampleRateHz).map((mark) => (
        <span class="time number" key={mark.text} style={{ left: `${mark.x}px` }}>
          {mark.text}
        </span>
      ))}
      {player.loops.value.map((loop) => (
        <span
          class="section"
          key={loop.name}
          style={{
            left: `${(loop.start - view.start) / view.framesPerPixel}px`,
            width: `${(loop.end - loop.start) / view.framesPerPixel}px`,
          }}
        >
          {loop.name}
        </span>
      ))}
      {player.music.key.value && <b class="key">{keyText(player.music.heardKey.value)}</b>}
      {player.beatMarks.value.map((mark) => (
        <span class={mark.isMajor ? "bar number" : "beat"} key={mark.x} style={{ left: `${mark.x}px` }}>
          {mark.text}
        </span>
      ))}
    </div>
  );
}

/** The loop. Its edges can be dragged, or moved from beat to beat with the arrow keys. */
function LoopMark({ player, dragged }: LoopProps) {
  const loop = dragged.value ?? player.loop.value;
  if (!loop) return null;
  const { start, framesPerPixel } = player.view.value;
  const left = (loop.start - start) / framesPerPixel;
  return (
    <div class="loop-mark" style={{ left: `${left}px`, width: `${(loop.end - loop.start) / framesPerPixel}px` }}>
      <LoopEdge edge="start" loop={loop} dragged={dragged} player={player} />
      <LoopEdge edge="end" loop={loop} dragged={dragged} player={player} />
    </div>
  );
}

interface LoopEdgeProps extends LoopProps {
  edge: "start" | "end";
  loop: Range;
}

function LoopEdge({ edge, loop, dragged, player }: LoopEdgeProps) {
  const set = (range: Range) => player.setLoop(range.start, range.end);
  const onMove = (event: PointerEvent) => {
    const area = (event.currentTarget as HTMLElement).closest(".overlay");
    if (!dragged.value || !area) return;
    const { start, framesPerPixel } = player.view.value;
    const frame = player.snapped(start + (event.clientX - area.getBoundingClientRect().left) * framesPerPixel);
    const moved = { ...dragged.value, [edge]: Math.max(0, Math.min(frame, player.frameCount)) };
    if (moved.start < moved.end) dragged.value = moved;
  };
  const onKey = (event: KeyboardEvent) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const { beats } = player.music.grid.value;
    const beat = beats[nearestBeat(beats, loop[edge] / player.sampleRateHz) + step];
    const frame = beat === undefined ? loop[edge] + 0.1 * step * player.sampleRateHz : beat * player.sampleRateHz;
    const moved = { ...loop, [edge]: frame };
    if (moved.start < moved.end) set(moved);
  };
  const seconds = loop[edge] / player.sampleRateHz;
  return (
    <div
      class={`loop-edge ${edge}`}
      role="slider"
      tabIndex={0}
      aria-label={edge === "start" ? "Start of the loop" : "End of the loop"}
      aria-valuemin={0}
      aria-valuemax={player.frameCount / player.sampleRateHz}
      aria-valuenow={seconds}
      aria-valuetext={timeText(seconds, 1)}
      onKeyDown={onKey}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        dragged.value = loop;
      }}
      onPointerMove={onMove}
      onPointerUp={() => {
        if (dragged.value) set(dragged.value);
        dragged.value = null;
      }}
      onPointerCancel={() => (dragged.value = null)}
    />
  );
}

/** Lines through all lanes where bars begin. */
function BarLines({ player }: { player: Player }) {
  return player.beatMarks.value
    .filter(({ isMajor }) => isMajor)
    .map(({ x }) => <div class="bar-line" key={x} style={{ left: `${x}px` }} />);
}

/** The line at the position. It moves without rendering the page again. */
function Playhead({ player }: { player: Player }) {
  const line = useRef<HTMLDivElement>(null);
  const isPlaying = player.isPlaying.value;
  useEachFrame(() => {
    const { start, framesPerPixel } = player.view.value;
    const x = (player.position - start) / framesPerPixel;
    if (isPlaying && x > player.width.value) player.reveal(player.position);
    if (line.current) line.current.style.transform = `translateX(${x.toFixed(1)}px)`;
  });
  return <div class="playhead" ref={line} />;
}
