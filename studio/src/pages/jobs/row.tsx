/** A job: what it works on, its progress, and what the user can do about it. */

import "./jobs.css";
import { useRef } from "preact/hooks";
import type { Job } from "../../api/client.ts";
import { cancelJob, isActive, retryJob } from "../../api/jobs.ts";
import { nameOf } from "../../api/notifications.ts";
import { useAction } from "../../api/requests.ts";
import { Button, JobBadge, Notice, ProgressBar } from "../../ui/components.tsx";
import { ordinalText, spanText } from "../../ui/durations.ts";

export function JobRow({ job, onRetried }: { job: Job; onRetried: () => void }) {
  const name = nameOf(job);
  const title = job.title ?? "a deleted track";
  const { isBusy, problem, run } = useAction();
  return (
    <li>
      <div class="title">
        {job.track_id && job.title ? <a href={`/studio/tracks/${job.track_id}`}>{title}</a> : title}
        <span class="quiet">
          {" "}
          {[name, modelText(job)].filter(Boolean).join(" · ")}
          {job.created_at && ` · ${new Date(job.created_at).toLocaleString()}`}
        </span>
      </div>
      <JobBadge job={job} />
      {isActive(job) ? (
        <Button
          label={`Cancel the ${name.toLowerCase()} of ${title}`}
          disabled={job.cancel_requested || isBusy}
          onClick={() => void run(() => cancelJob(job.id))}
        >
          {job.cancel_requested ? "Stopping…" : "Cancel"}
        </Button>
      ) : canRetry(job) ? (
        <Button
          label={`Retry the ${name.toLowerCase()} of ${title}`}
          disabled={isBusy}
          onClick={() => void run(() => retryJob(job.id).then(onRetried))}
        >
          Retry
        </Button>
      ) : (
        <span />
      )}
      {isActive(job) && <Progress job={job} />}
      {job.batch && !isActive(job) && <p class="wide quiet">{countsText(job.batch)}</p>}
      {job.error && job.error !== "cancelled" && (
        <p class="wide failure">
          {job.error} {job.max_attempts > 1 && job.attempt > 1 && <span class="quiet">{job.attempt} attempts.</span>}
        </p>
      )}
      {problem && (
        <div class="wide">
          <Notice look="bad">{problem}</Notice>
        </div>
      )}
    </li>
  );
}

/** Return which model ran. An unfinished job says in its message which one runs. */
function modelText(job: Job): string | null {
  if (isActive(job) && !job.batch) return null;
  return job.degraded_reason ? `${job.model}, because ${job.degraded_reason.replace(/\.$/, "")}` : job.model;
}

/** A deleted track cannot be worked on again. Of a batch, the jobs start again that are not completed. */
function canRetry(job: Job): boolean {
  if (job.batch) return job.batch.completed < job.batch.total;
  return job.status === "failed" && Boolean(job.title || !job.track_id);
}

/** Return how the jobs of a batch ended. */
function countsText({ total, completed, failed, cancelled }: NonNullable<Job["batch"]>): string {
  const others = [failed && `${failed} failed`, cancelled && `${cancelled} cancelled`].filter(Boolean);
  return [`${completed} of ${total} completed`, ...others].join(" · ");
}

/** The progress of a job that is queued or runs. A queued job has none yet, so it shows its place instead of a bar. */
export function Progress({ job, isNamed = false }: { job: Job; isNamed?: boolean }) {
  const shown = useRef(0);
  shown.current = Math.max(shown.current, job.progress, estimatedPercent(job));
  return (
    <div class="wide progress-line">
      {job.status !== "queued" && (
        <ProgressBar label={`Progress of the ${nameOf(job).toLowerCase()}`} percent={shown.current} />
      )}
      <span class="quiet">
        {isNamed && `${nameOf(job)} · `}
        {stateText(job)}
      </span>
    </div>
  );
}

/** Return how far a job should be by the time that the server expects. Its own progress may come in few steps. */
function estimatedPercent({ started_at: start, estimated_seconds_left: left }: Job): number {
  if (!start || left == null) return 0;
  const seconds = Math.max(0, (Date.now() - Date.parse(start)) / 1000);
  return Math.min(95, (100 * seconds) / Math.max(1, seconds + left));
}

/** Return what a job does now, and how long it takes if the server knows. */
export function stateText(job: Job): string {
  const left = job.estimated_seconds_left == null ? null : `${spanText(job.estimated_seconds_left)} left`;
  const place = job.queue_position === 1 ? "next in the queue" : `${ordinalText(job.queue_position ?? 1)} in the queue`;
  const attempt = job.attempt > 1 ? `attempt ${job.attempt} of ${job.max_attempts}` : null;
  const now = job.status === "queued" ? (job.queue_position ? place : "queued") : `${job.progress} %`;
  return [job.message, now, attempt, left].filter(Boolean).join(" · ");
}
