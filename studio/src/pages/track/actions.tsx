/** Starts jobs for a track. */

import { useState } from "preact/hooks";
import { analyse, analyseAll, featuresOf } from "../../api/analysis.ts";
import type { Analysis, Job, Track } from "../../api/client.ts";
import { cancelJob, jobsOf } from "../../api/jobs.ts";
import { nameOf } from "../../api/notifications.ts";
import { useAction } from "../../api/requests.ts";
import { Button, Notice } from "../../ui/components.tsx";
import { Progress } from "../jobs/row.tsx";
import { DEFAULT_SETTINGS, separate, SeparationControls } from "../separation/controls.tsx";

/** Starts a separation, and shows those that run. */
export function SeparateControls({ track, isFirst }: { track: Track; isFirst: boolean }) {
  const [settings, setSettings] = useState(DEFAULT_SETTINGS);
  const { isBusy, problem, run } = useAction();
  const text = isBusy ? "Starting…" : isFirst ? "Separate into stems" : "Separate again";
  return (
    <section class="panel separate" aria-label="Separate">
      <SeparationControls trackIds={track.file_path ? [track.id] : []} settings={settings} onChange={setSettings}>
        <div class="row">
          <Button
            label={text}
            look={isFirst ? "primary" : "plain"}
            disabled={isBusy || !track.file_path}
            onClick={() => void run(() => separate(track.id, settings))}
          >
            {text}
          </Button>
          {problem && <Notice look="bad">{problem}</Notice>}
        </div>
      </SeparationControls>
      <RunningJobs trackId={track.id} type="processing" />
    </section>
  );
}

export function AnalyseButton({ track, isFirst, hasPiano }: { track: Track; isFirst: boolean; hasPiano: boolean }) {
  const { isBusy, problem, run } = useAction();
  const isRunning = jobsOf(track.id).some((job) => job.job_type === "analysis");
  const text = isRunning ? "Analysing…" : isFirst ? "Analyse" : "Analyse again";
  return (
    <>
      <Button
        label={text}
        disabled={isBusy || isRunning || !track.file_path}
        onClick={() => void run(() => analyseAll(track.id, hasPiano))}
      >
        {text}
      </Button>
      {problem && <Notice look="bad">{problem}</Notice>}
    </>
  );
}

/** Says what an analysis has, and offers to measure the rest. */
export function NextFeatures({ track, analysis }: { track: Track; analysis: Analysis }) {
  const { isBusy, problem, run } = useAction();
  const { measured, missing } = featuresOf(analysis);
  const isRunning = jobsOf(track.id).some((job) => job.job_type === "analysis");
  if (missing.length === 0 || isRunning) return null;
  const text = missing.includes("chords") ? "Find chords and bars" : `Find ${listText(missing)}`;
  return (
    <Notice
      action={
        <Button label={text} disabled={isBusy} onClick={() => void run(() => analyse(track.id, missing))}>
          {text}
        </Button>
      }
    >
      {measured.length > 0 && `The analysis has ${listText(measured)}. `}
      Not measured yet: {listText(missing)}.{problem && ` ${problem}`}
    </Notice>
  );
}

function listText(features: readonly string[]): string {
  const names = features.map((name) => name.replace("_", " "));
  return new Intl.ListFormat("en", { type: "conjunction" }).format(names);
}

/** The jobs of a track that are not finished. */
export function RunningJobs({ trackId, type }: { trackId: string; type: Job["job_type"] }) {
  return jobsOf(trackId)
    .filter((job) => job.job_type === type)
    .map((job) => (
      <Notice
        key={job.id}
        action={
          <Button label="Cancel the job" disabled={job.cancel_requested} onClick={() => void cancelJob(job.id)}>
            Cancel
          </Button>
        }
      >
        {nameOf(job)}
        <Progress job={job} />
      </Notice>
    ));
}
