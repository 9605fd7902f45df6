/** A clip in a grid. */

import "./clips.css";
import { useState } from "preact/hooks";
import { markOf, toggleFavorite, vote } from "../../api/clips.ts";
import type { Clip } from "../../api/client.ts";
import { addToPlaylist } from "../../api/playlists.ts";
import * as player from "../../player/player.ts";
import { Button } from "../../ui/components.tsx";
import { ClipWaveform } from "../../waveform/clip.tsx";
import { timeText } from "../../waveform/view.ts";
import { ClipDialog } from "./dialog.tsx";
import { PlaylistTray } from "./playlist-tray.tsx";

interface CardProps {
  readonly clip: Clip;
  /** Play this clip, among those around it. */
  readonly onPlay: () => void;
  readonly level?: 2 | 3;
}

export function ClipCard({ clip, onPlay, level = 2 }: CardProps) {
  const [isOpen, open] = useState(false);
  const [isDragged, setDragged] = useState(false);
  const [said, say] = useState("");
  const [problem, setProblem] = useState("");
  const attempt = (action: Promise<unknown>) => {
    setProblem("");
    say("");
    action.catch((error: Error) => setProblem(error.message));
  };
  const mark = markOf(clip);
  const Heading = `h${level}` as const;
  return (
    <article
      class={`panel clip ${isDragged ? "dragged" : ""}`}
      draggable={!isOpen}
      onDragStart={(event) => {
        event.dataTransfer?.setData("text/plain", clip.prompt);
        // Chromium ends a drag whose element changes in this event.
        setTimeout(() => setDragged(true));
      }}
      onDragEnd={() => setDragged(false)}
    >
      <div class="clip-top">
        <PlayButton clip={clip} onPlay={onPlay} />
        <ClipWaveform clip={clip} />
      </div>
      <Heading class="clip-title" title={clip.prompt}>
        {clip.prompt}
      </Heading>
      <p class="quiet clip-facts">
        <span class="number">{timeText(clip.duration)}</span> · {clip.engine_model}
        {clip.degraded && ` in place of ${clip.model}`}
        {clip.is_loop === 1 && " · loop"}
      </p>
      <div class="row clip-actions">
        <Button
          label={`Vote for ${clip.prompt}: ${mark.upvotes}`}
          icon="up"
          look="quiet"
          pressed={mark.vote === 1}
          onClick={() => attempt(vote(clip, 1))}
        >
          <span class="number">{mark.upvotes}</span>
        </Button>
        <Button
          label={`Vote against ${clip.prompt}: ${mark.downvotes}`}
          icon="down"
          look="quiet"
          pressed={mark.vote === -1}
          onClick={() => attempt(vote(clip, -1))}
        >
          <span class="number">{mark.downvotes}</span>
        </Button>
        <Button
          label={`Favorite ${clip.prompt}`}
          icon="heart"
          look="quiet"
          pressed={mark.isFavorite}
          onClick={() => attempt(toggleFavorite(clip))}
        />
        <Button label={`More about ${clip.prompt}`} icon="more" look="quiet" onClick={() => open(true)} />
      </div>
      {problem && (
        <p class="clip-problem" role="alert">
          {problem}
        </p>
      )}
      <p class="quiet" role="status">
        {said}
      </p>
      {isDragged && (
        <PlaylistTray
          onDrop={({ id, name }) => attempt(addToPlaylist(id, clip).then(() => say(`Added to ${name}.`)))}
          onProblem={setProblem}
        />
      )}
      {isOpen && <ClipDialog clip={clip} onClose={() => open(false)} />}
    </article>
  );
}

function PlayButton({ clip, onPlay }: { clip: Clip; onPlay: () => void }) {
  const isCurrent = player.current.value?.id === clip.id;
  const isPlaying = isCurrent && player.state.value !== "paused";
  return (
    <Button
      label={`${isPlaying ? "Pause" : "Play"} ${clip.prompt}`}
      icon={isPlaying ? "pause" : "play"}
      pressed={isCurrent}
      onClick={isCurrent ? player.toggle : onPlay}
    />
  );
}
