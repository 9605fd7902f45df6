/** A request for clips: its variations side by side, from the queue to the clip. */

import { useState } from "preact/hooks";
import type { Clip } from "../../api/client.ts";
import { cancel, forget, type Generation, isEnded, type Variation } from "../../api/generations.ts";
import { deleted } from "../../api/clips.ts";
import * as player from "../../player/player.ts";
import { Button, JobBadge, ProgressBar } from "../../ui/components.tsx";
import { shortened } from "../../ui/texts.ts";
import { timeText } from "../../waveform/view.ts";
import { ClipCard } from "../clips/card.tsx";

export function GenerationView({ generation }: { generation: Generation }) {
  const { prompt, variations } = generation;
  const clips = variations.map(({ clip }) => clip).filter((clip) => clip !== null);
  return (
    <section aria-label={`Generation: ${prompt}`} class="generation">
      <div class="row apart">
        <h2 class="generation-title">{shortened(prompt)}</h2>
        {variations.every(isEnded) && (
          <Button label={`Hide ${prompt}`} icon="close" look="quiet" onClick={() => forget(generation)} />
        )}
      </div>
      <div class="clip-grid">
        {variations.map((variation, index) => (
          <VariationView key={variation.id} variation={variation} number={index + 1} clips={clips} />
        ))}
      </div>
    </section>
  );
}

interface VariationProps {
  readonly variation: Variation;
  readonly number: number;
  readonly clips: readonly Clip[];
}

function VariationView({ variation, number, clips }: VariationProps) {
  const { clip, job, isCancelled } = variation;
  if (clip && !deleted.value.has(clip.id)) {
    return (
      <ClipCard clip={clip} level={3} onPlay={() => player.play(clips, clips.indexOf(clip), { name: "generation" })} />
    );
  }
  return (
    <article class="panel clip">
      <h3 class="row apart">
        Variation {number}
        <JobBadge job={{ status: job?.status ?? "queued", error: isCancelled ? "cancelled" : (job?.error ?? null) }} />
      </h3>
      {clip ? <p class="quiet">The clip was deleted.</p> : <Progress variation={variation} number={number} />}
    </article>
  );
}

function Progress({ variation, number }: { variation: Variation; number: number }) {
  const [problem, setProblem] = useState("");
  const { id, job, isCancelled } = variation;
  if (isCancelled) return <p class="quiet">You cancelled this clip, or it is no longer there.</p>;
  if (job?.status === "failed") return <p>{job.error}</p>;
  const stop = () => void cancel(id).catch((error: Error) => setProblem(error.message));
  return (
    <>
      <ProgressBar label={`Progress of variation ${number}`} percent={job?.progress_pct ?? 0} />
      <p class="quiet" role="status">
        {variation.problem || (job ? stateText(job.position, job.estimated_wait, job.progress) : "Sending…")}
      </p>
      {problem && <p role="alert">{problem}</p>}
      <div class="row">
        <Button label={`Cancel variation ${number}`} onClick={stop}>
          Cancel
        </Button>
      </div>
    </>
  );
}

function stateText(position: number, waitSeconds: number, progress: string): string {
  if (position === 0) return progress;
  const wait = waitSeconds > 0 ? `, about ${timeText(waitSeconds)} to wait` : "";
  return `Place ${position} in the queue${wait}`;
}
