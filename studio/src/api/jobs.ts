/** The jobs that are not finished, kept up to date. All views read the same list. */

import { signal } from "@preact/signals";
import { api, dataOf, type Job } from "./client.ts";
import { onReconnected } from "./connection.ts";
import { places } from "./places.ts";

const ACTIVE_MILLISECONDS = 1000;
const IDLE_MILLISECONDS = 20_000;
/** Jobs that one round reads. With more jobs, each is read in every second or third round. */
const READ_AT_ONCE = 8;

/** Jobs that are queued or running, by their IDs. */
export const activeJobs = signal<ReadonlyMap<string, Job>>(new Map());

type Finished = (job: Job) => void;
const listeners = new Set<Finished>();
let timer: ReturnType<typeof setTimeout> | undefined;
let listedAt = Number.NEGATIVE_INFINITY;

/** Call `listener` when a job ends. Return a function that stops this. */
export function onJobFinished(listener: Finished): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Follow a job that was started now. */
export async function followJob(jobId: string): Promise<void> {
  const { data } = await api.GET("/api/jobs/{job_id}", { params: { path: { job_id: jobId } } });
  if (data) change(data.data, true);
  schedule();
}

/** Return a job that was started now, when it has ended. */
export function finished(jobId: string): Promise<Job> {
  return new Promise((resolve) => {
    const stop = onJobFinished((job) => {
      if (job.id !== jobId) return;
      stop();
      resolve(job);
    });
    void followJob(jobId);
  });
}

/** Wait until any job ends. Return false if none is unfinished. */
function someJobFinished(): Promise<boolean> {
  return new Promise((resolve) => {
    const end = (isFinished: boolean) => {
      stop();
      resolve(isFinished);
    };
    const stop = onJobFinished(() => end(true));
    void pollAll().then(() => activeJobs.value.size === 0 && end(false));
  });
}

/** Follow all jobs of the account, until the page is left. */
export async function followJobs(): Promise<void> {
  places.untilJobEnds = someJobFinished;
  onReconnected(() => void pollAll());
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) void pollAll();
  });
  await poll();
}

/** Cancel a job. A job that has ended meanwhile stays as it is. */
export async function cancelJob(jobId: string): Promise<void> {
  await api.DELETE("/api/jobs/{job_id}", { params: { path: { job_id: jobId } } });
  await refresh(jobId);
}

/** Start a failed or cancelled job again, and follow the new job. */
export async function retryJob(jobId: string): Promise<Job> {
  const job = await dataOf(api.POST("/api/jobs/{job_id}/retry", { params: { path: { job_id: jobId } } }));
  change(job);
  schedule();
  return job;
}

/** Return the jobs of a track that are not finished. */
export function jobsOf(trackId: string): Job[] {
  return [...activeJobs.value.values()].filter((job) => job.track_id === trackId);
}

export function isActive(job: Job): boolean {
  return job.status === "queued" || job.status === "processing" || job.status === "downloading";
}

function pollAll(): Promise<void> {
  listedAt = Number.NEGATIVE_INFINITY;
  return poll();
}

async function poll(): Promise<void> {
  try {
    if (performance.now() - listedAt >= IDLE_MILLISECONDS) {
      const listed = await dataOf(api.GET("/api/jobs", { params: { query: { page_size: 50 } } }));
      listedAt = performance.now();
      for (const job of listed.filter(isActive)) change(job);
    }
    // A job that was read moves to the end of the map, so all take turns.
    await Promise.all([...activeJobs.value.keys()].slice(0, READ_AT_ONCE).map(refresh));
  } catch {
    // the next round tries again
  }
  schedule();
}

function schedule(): void {
  clearTimeout(timer);
  timer = setTimeout(poll, activeJobs.value.size > 0 ? ACTIVE_MILLISECONDS : IDLE_MILLISECONDS);
}

async function refresh(jobId: string): Promise<void> {
  const { data } = await api.GET("/api/jobs/{job_id}", { params: { path: { job_id: jobId } } });
  if (data) change(data.data);
}

/** `isFollowed`: a caller waits for the end of the job, which it may have reached before it was read. */
function change(job: Job, isFollowed = activeJobs.value.has(job.id)): void {
  const jobs = new Map(activeJobs.value);
  jobs.delete(job.id);
  if (isActive(job)) jobs.set(job.id, job);
  activeJobs.value = jobs;
  if (isFollowed && !isActive(job)) for (const listener of listeners) listener(job);
}
