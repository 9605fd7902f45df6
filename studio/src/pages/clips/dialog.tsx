/** All about a clip, and what can be done with it. */

import { useState } from "preact/hooks";
import { copyToTracks, deleteClip, isOwn } from "../../api/clips.ts";
import type { Clip } from "../../api/client.ts";
import { useAction } from "../../api/requests.ts";
import * as player from "../../player/player.ts";
import { navigate } from "../../router.ts";
import { Button, Dialog, Notice } from "../../ui/components.tsx";
import { shortened } from "../../ui/texts.ts";
import { Confirm } from "../../ui/forms.tsx";
import { PlaylistChoice } from "./playlist-choice.tsx";
import { Tags } from "./tags.tsx";
import { understoodFacts } from "./understood.ts";

export function ClipDialog({ clip, onClose }: { clip: Clip; onClose: () => void }) {
  const { isBusy, problem, run } = useAction();
  const [trackId, setTrackId] = useState("");
  return (
    <Dialog title={shortened(clip.prompt)} onClose={onClose}>
      <div class="clip-dialog">
        {shortened(clip.prompt) !== clip.prompt && <p class="clip-prompt">{clip.prompt}</p>}
        <ClipFacts clip={clip} />
        {problem && <Notice look="bad">{problem}</Notice>}
        <div class="row">
          <Button label="Add to the queue" icon="list" onClick={() => player.enqueue(clip)}>
            Add to the queue
          </Button>
          <Button
            label="Continue the clip"
            onClick={() => {
              onClose();
              navigate(`/studio/generate/${clip.id}`);
            }}
          >
            Continue
          </Button>
          <Button
            label="Add to the tracks"
            disabled={isBusy || trackId !== ""}
            onClick={() => void run(() => copyToTracks(clip).then(setTrackId))}
          >
            Add to the tracks
          </Button>
          <a class="button" href={`/download/${clip.filename}`} download>
            Download
          </a>
          {hasScore(clip) && (
            <a class="button" href={`/download/${clip.id}.mid`} download>
              Download the notes (MIDI)
            </a>
          )}
          {hasScore(clip) && (
            <a class="button" href={`/download/${clip.id}.zip`} download>
              Download the parts
            </a>
          )}
        </div>
        {trackId && (
          <Notice action={<a href={`/studio/tracks/${trackId}`}>Open the track</a>}>
            The clip is a track now. Separate it into stems there.
          </Notice>
        )}
        <PlaylistChoice clip={clip} />
        <Tags clip={clip} />
        {isOwn(clip) && (
          <div class="row clip-section">
            <Confirm
              label="Delete the clip"
              text="Delete the clip"
              question="The clip is deleted for good, with its votes, and from all playlists."
              disabled={isBusy}
              onConfirm={() => void run(() => deleteClip(clip).then(() => player.remove(clip.id)))}
            />
          </div>
        )}
      </div>
    </Dialog>
  );
}

/** Whether the composer knows the notes of all of a clip. */
function hasScore({ interpretation }: Clip) {
  return !!interpretation?.tempo_bpm && !interpretation.ignored_parameters.includes("continue_from");
}

function ClipFacts({ clip }: { clip: Clip }) {
  const facts: readonly (readonly [string, string])[] = [
    ["Model", clip.model],
    ["Made by", clip.degraded ? `${clip.engine_model} (${clip.model} was not available)` : clip.engine_model],
    ["Seed", String(clip.seed)],
    ["Quality", clip.quality_score === null ? "not measured" : `${clip.quality_score} of 100`],
    ...(clip.interpretation ? understoodFacts(clip.interpretation) : []),
    ["Plays", String(clip.play_count)],
    ["Made", clip.created_at ? new Date(`${clip.created_at.replace(" ", "T")}Z`).toLocaleString() : ""],
  ];
  return (
    <dl class="facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
      <div>
        <dt>User</dt>
        <dd>
          <a href={`/studio/clips/user/${encodeURIComponent(clip.user_id ?? "")}`}>
            {isOwn(clip) ? "You" : "All clips of this user"}
          </a>
        </dd>
      </div>
    </dl>
  );
}
