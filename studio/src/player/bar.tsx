/** The bar of the player, at the bottom of every page while there is something to play. */

import "./player.css";
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
    <section class="player" aria-label="Player">
      <div class="row controls">
        <Button label="Previous clip" icon="previous" look="quiet" onClick={player.previous} />
        <PlayButton />
        <Button
          label="Next clip"
          icon="next"
          look="quiet"
          disabled={index + 1 >= clips.length}
          onClick={() => player.next()}
        />
      </div>
      <div class="now">
        <span class="title" title={clip.prompt}>
          {clip.prompt}
        </span>
        <span class="quiet">{clip.engine_model}</span>
      </div>
      <Seek />
      <div class="row tools">
        <Button
          label="Repeat the clip"
          icon="loop"
          look="quiet"
          pressed={player.repeats.value}
          onClick={() => player.setRepeats(!player.repeats.value)}
        />
        <div class="volume">
          <Slider
            label="Volume of the player"
            value={player.volume.value}
            min={0}
            max={1}
            step={0.05}
            neutral={1}
            text={`${Math.round(100 * player.volume.value)}%`}
            onInput={player.setVolume}
          />
        </div>
        <Button label={`Queue: ${clips.length} clips`} icon="list" look="quiet" onClick={() => showQueue(true)} />
        <Button label="Close the player" icon="close" look="quiet" onClick={player.stop} />
      </div>
      {player.problem.value && (
        <p class="problem" role="alert">
          {player.problem.value}
        </p>
      )}
      {showsQueue && <QueueDialog onClose={() => showQueue(false)} />}
    </section>
  );
}

function PlayButton() {
  const isPaused = player.state.value === "paused";
  return (
    <Button
      label={isPaused ? "Play the clip" : "Pause the clip"}
      icon={isPaused ? "play" : "pause"}
      look="primary"
      onClick={player.toggle}
    />
  );
}

function Seek() {
  const position = player.position.value;
  const duration = player.duration.value;
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
        onInput={player.seek}
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
