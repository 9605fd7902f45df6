/** Starts jobs for a track, and exports its mix and its stems. */

import { useState } from "preact/hooks";
import { analyse } from "../../api/analysis.ts";
import { api, type Job, refusal, type Track } from "../../api/client.ts";
import { cancelJob, jobsOf } from "../../api/jobs.ts";
import { nameOf } from "../../api/notifications.ts";
import { useAction } from "../../api/requests.ts";
import { Button, Notice } from "../../ui/components.tsx";
import { Progress } from "../jobs/row.tsx";
import { FIRST_WISH, separate, WishControls } from "../separation/wish.tsx";
import type { Player } from "./player.ts";

/** Starts a separation, and shows those that run. */
export function SeparateControls({ track, isFirst }: { track: Track; isFirst: boolean }) {
  const [wish, setWish] = useState(FIRST_WISH);
  const { isBusy, problem, run } = useAction();
  const text = isBusy ? "Starting…" : isFirst ? "Separate into stems" : "Separate again";
  return (
    <section class="panel separate" aria-label="Separate">
      <WishControls trackIds={track.file_path ? [track.id] : []} wish={wish} onChange={setWish} />
      <div class="row">
        <Button
          label={text}
          look={isFirst ? "primary" : "plain"}
          disabled={isBusy || !track.file_path}
          onClick={() => void run(() => separate(track.id, wish))}
        >
          {text}
        </Button>
        {problem && <Notice look="bad">{problem}</Notice>}
      </div>
      <RunningJobs trackId={track.id} type="processing" />
    </section>
  );
}

export function AnalyseButton({ track, isFirst }: { track: Track; isFirst: boolean }) {
  const { isBusy, problem, run } = useAction();
  const isRunning = jobsOf(track.id).some((job) => job.job_type === "analysis");
  const text = isRunning ? "Analysing…" : isFirst ? "Analyse" : "Analyse again";
  return (
    <>
      <Button
        label={text}
        disabled={isBusy || isRunning || !track.file_path}
        onClick={() => void run(() => analyse(track.id))}
      >
        {text}
      </Button>
      {problem && <Notice look="bad">{problem}</Notice>}
    </>
  );
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

const FORMATS = [
  ["wav16", "WAV, 16 bits"],
  ["wav24", "WAV, 24 bits"],
  ["wav32f", "WAV, 32-bit float"],
  ["flac16", "FLAC, 16 bits"],
  ["flac", "FLAC, 24 bits"],
] as const;

export function ExportControls({ track, player }: { track: Track; player: Player }) {
  const [format, setFormat] = useState<string>(FORMATS[0][0]);
  const isStretched = player.speed.value !== 1 || player.semitones.value !== 0;
  const { isBusy, problem, run } = useAction();
  const start = async () => {
    const form = new FormData();
    form.append("track_id", track.id);
    form.append("separation_id", player.stems[0]?.processing_job_id ?? "");
    form.append("manifest", player.manifest(format));
    const { data, error, response } = await api.POST("/api/daw/export", {
      body: form as never,
      bodySerializer: (body) => body as unknown as FormData,
      parseAs: "blob",
    });
    if (!data) throw refusal(response.status, error);
    save(data as Blob, `${track.title} - mix.${format.startsWith("flac") ? "flac" : "wav"}`);
  };
  return (
    <div class="row">
      <label class="field">
        Format
        <select class="input" value={format} onChange={(event) => setFormat(event.currentTarget.value)}>
          {FORMATS.map(([value, text]) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </select>
      </label>
      <Button label={isBusy ? "Mixing…" : "Export the mix"} disabled={isBusy} onClick={() => void run(start)}>
        {isBusy ? "Mixing…" : "Export the mix"}
      </Button>
      <a class="button" href={`/export/stems/${track.id}`} download>
        Stems as ZIP
      </a>
      {isStretched && <p class="quiet">The export has the original speed and pitch.</p>}
      {player.switched.value.size > 0 && <p class="quiet">The export mixes separation A.</p>}
      {problem && <Notice look="bad">{problem}</Notice>}
    </div>
  );
}

function save(file: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
