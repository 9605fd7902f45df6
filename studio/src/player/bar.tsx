/** The bar of the player, at the bottom of every page while there is something to play. */

import "./player.css";
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { Clip } from "../api/client.ts";
import { Button, Dialog, Slider } from "../ui/components.tsx";
import { timeText } from "../waveform/view.ts";
import * as player from "./player.ts";

export function PlayerBar() {
  const clip = player.current.value;
  useEffect(() => {
    document.documentElement.classList.toggle("has-player", clip !== null);
  }, [clip]);
  return clip && <Bar clip={clip} />;
}

function Bar({ clip }: { clip: Clip }) {
  const [showsQueue, showQueue] = useState(false);
  const { clips, index } = player.queue.value;
  return (
    <PlayerBarView
      clip={clip}
      label="Player"
      isPaused={player.state.value === "paused"}
      seek={<Seek />}
      volume={player.volume.value}
      repeats={player.repeats.value}
      clipCount={clips.length}
      hasNext={index + 1 < clips.length}
      problem={player.problem.value}
      onToggle={player.toggle}
      onPrevious={player.previous}
      onNext={player.next}
      onVolume={player.setVolume}
      onRepeat={player.setRepeats}
      onQueue={() => showQueue(true)}
      onClose={player.stop}
    >
      {showsQueue && <QueueDialog onClose={() => showQueue(false)} />}
    </PlayerBarView>
  );
}

interface ViewProps {
  readonly clip: Clip;
  readonly label: string;
  readonly isPaused: boolean;
  /** The position. It changes often, so it renders on its own. */
  readonly seek: ComponentChildren;
  readonly volume: number;
  readonly repeats: boolean;
  readonly clipCount: number;
  readonly hasNext: boolean;
  readonly problem: string;
  readonly onToggle: () => void;
  readonly onPrevious: () => void;
  readonly onNext: () => void;
  readonly onVolume: (volume: number) => void;
  readonly onRepeat: (repeats: boolean) => void;
  readonly onQueue: () => void;
  readonly onClose: () => void;
  readonly children?: ComponentChildren;
}

/** What the bar looks like. */
export function PlayerBarView(props: ViewProps) {
  const { clip, isPaused, volume, repeats } = props;
  return (
    <section class="player" aria-label={props.label}>
      <div class="row controls">
        <Button label="Previous clip" icon="previous" look="quiet" onClick={props.onPrevious} />
        <Button
          label={isPaused ? "Play the clip" : "Pause the clip"}
          icon={isPaused ? "play" : "pause"}
          look="primary"
          onClick={props.onToggle}
        />
        <Button label="Next clip" icon="next" look="quiet" disabled={!props.hasNext} onClick={props.onNext} />
      </div>
      <div class="now">
        <span class="title" title={clip.prompt}>
          {clip.prompt}
        </span>
        <span class="quiet">{clip.engine_model}</span>
      </div>
      {props.seek}
      <div class="row tools">
        <Button
          label="Repeat the clip"
          icon="loop"
          look="quiet"
          pressed={repeats}
          onClick={() => props.onRepeat(!repeats)}
        />
        <div class="volume">
          <Slider
            label="Volume of the player"
            value={volume}
            min={0}
            max={1}
            step={0.05}
            neutral={1}
            text={`${Math.round(100 * volume)}%`}
            onInput={props.onVolume}
          />
        </div>
        <Button label={`Queue: ${props.clipCount} clips`} icon="list" look="quiet" onClick={props.onQueue} />
        <Button label="Close the player" icon="close" look="quiet" onClick={props.onClose} />
      </div>
      {props.problem && (
        <p class="problem" role="alert">
          {props.problem}
        </p>
      )}
      {props.children}
    </section>
  );
}

function Seek() {
  return <SeekView position={player.position.value} duration={player.duration.value} onSeek={player.seek} />;
}

interface SeekProps {
  /** In seconds. */
  readonly position: number;
  readonly duration: number;
  readonly onSeek: (seconds: number) => void;
}

export function SeekView({ position, duration, onSeek }: SeekProps) {
  return (
    <div class="seek">
      <span class="number quiet">{timeText(position)}</span>
      <Slider
        label="Position"
        value={position}
        min={0}
        max={Math.max(0.1, duration)}
        step={0.1}
        neutral={0}
        text={`${timeText(position)} of ${timeText(duration)}`}
        onInput={onSeek}
      />
      <span class="number quiet">{timeText(duration)}</span>
    </div>
  );
}

function QueueDialog({ onClose }: { onClose: () => void }) {
  const { clips, index } = player.queue.value;
  return (
    <Dialog title="Queue" onClose={onClose}>
      <ol class="list" aria-label="Queue">
        {clips.map((clip, place) => (
          <li key={clip.id} aria-current={place === index ? "true" : undefined}>
            <span class="title">{clip.prompt}</span>
            <Button
              label={`Play ${clip.prompt}`}
              icon="play"
              look="quiet"
              pressed={place === index}
              onClick={() => player.jump(place)}
            />
            <Button
              label={`Remove ${clip.prompt} from the queue`}
              icon="close"
              look="quiet"
              onClick={() => player.remove(clip.id)}
            />
          </li>
        ))}
      </ol>
    </Dialog>
  );
}
