/** A clip in a grid. */

import "./clips.css";
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { type Mark, markOf, toggleFavorite, vote } from "../../api/clips.ts";
import type { Clip } from "../../api/client.ts";
import { addToPlaylist } from "../../api/playlists.ts";
import * as player from "../../player/player.ts";
import { Button } from "../../ui/components.tsx";
import { ClipWaveform } from "../../waveform/clip.tsx";
import { timeText } from "../../waveform/view.ts";
import { ClipDialog } from "./dialog.tsx";
import { PlaylistTray } from "./playlist-tray.tsx";
import { type Interpretation, summaryOf } from "./understood.ts";

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
  const isCurrent = player.current.value?.id === clip.id;
  return (
    <ClipCardView
      clip={clip}
      mark={markOf(clip)}
      level={level}
      isCurrent={isCurrent}
      isPlaying={isCurrent && player.state.value !== "paused"}
      isDragged={isDragged}
      isDraggable={!isOpen}
      said={said}
      problem={problem}
      waveform={<ClipWaveform clip={clip} />}
      onPlay={isCurrent ? player.toggle : onPlay}
      onVote={(value) => attempt(vote(clip, value))}
      onFavorite={() => attempt(toggleFavorite(clip))}
      onMore={() => open(true)}
      onDrag={setDragged}
    >
      {isDragged && (
        <PlaylistTray
          onDrop={({ id, name }) => attempt(addToPlaylist(id, clip).then(() => say(`Added to ${name}.`)))}
          onProblem={setProblem}
        />
      )}
      {isOpen && <ClipDialog clip={clip} onClose={() => open(false)} />}
    </ClipCardView>
  );
}

function Understood({ said }: { said: Interpretation }) {
  return (
    <p class="quiet clip-understood">
      {summaryOf(said)}
      {said.ignored_words.length > 0 && ` · not understood: ${said.ignored_words.join(", ")}`}
    </p>
  );
}

interface ViewProps {
  readonly clip: Clip;
  readonly mark: Mark;
  readonly level: 2 | 3;
  /** Whether the player has the clip, playing or not. */
  readonly isCurrent: boolean;
  readonly isPlaying: boolean;
  readonly isDragged?: boolean;
  readonly isDraggable?: boolean;
  /** What was done last. */
  readonly said?: string;
  readonly problem: string;
  readonly waveform: ComponentChildren;
  readonly onPlay: () => void;
  readonly onVote: (value: 1 | -1) => void;
  readonly onFavorite: () => void;
  readonly onMore: () => void;
  readonly onDrag?: (isDragged: boolean) => void;
  readonly children?: ComponentChildren;
}

/** What a card looks like. */
export function ClipCardView(props: ViewProps) {
  const { clip, mark, isCurrent, isPlaying } = props;
  const Heading = `h${props.level}` as const;
  return (
    <article
      class={`panel clip ${props.isDragged ? "dragged" : ""}`}
      draggable={props.isDraggable}
      onDragStart={(event) => {
        event.dataTransfer?.setData("text/plain", clip.prompt);
        // Chromium ends a drag whose element changes in this event.
        setTimeout(() => props.onDrag?.(true));
      }}
      onDragEnd={() => props.onDrag?.(false)}
    >
      <div class="clip-top">
        <Button
          label={`${isPlaying ? "Pause" : "Play"} ${clip.prompt}`}
          icon={isPlaying ? "pause" : "play"}
          pressed={isCurrent}
          onClick={props.onPlay}
        />
        {props.waveform}
      </div>
      <Heading class="clip-title" title={clip.prompt}>
        {clip.prompt}
      </Heading>
      <div>
        <p class="quiet clip-facts">
          <span class="number">{timeText(clip.duration)}</span> · {clip.engine_model}
          {clip.degraded && ` in place of ${clip.model}`}
          {clip.is_loop === 1 && " · loop"}
        </p>
        {clip.interpretation && <Understood said={clip.interpretation} />}
      </div>
      <div class="row clip-actions">
        <Button
          label={`Vote for ${clip.prompt}: ${mark.upvotes}`}
          icon="up"
          look="quiet"
          pressed={mark.vote === 1}
          onClick={() => props.onVote(1)}
        >
          <span class="number">{mark.upvotes}</span>
        </Button>
        <Button
          label={`Vote against ${clip.prompt}: ${mark.downvotes}`}
          icon="down"
          look="quiet"
          pressed={mark.vote === -1}
          onClick={() => props.onVote(-1)}
        >
          <span class="number">{mark.downvotes}</span>
        </Button>
        <Button
          label={`Favorite ${clip.prompt}`}
          icon="heart"
          look="quiet"
          pressed={mark.isFavorite}
          onClick={props.onFavorite}
        />
        <Button label={`More about ${clip.prompt}`} icon="more" look="quiet" onClick={props.onMore} />
      </div>
      {props.problem && (
        <p class="clip-problem" role="alert">
          {props.problem}
        </p>
      )}
      <p class="quiet" role="status">
        {props.said}
      </p>
      {props.children}
    </article>
  );
}
