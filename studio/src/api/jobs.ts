/** The jobs that are not finished, kept up to date. All views read the same list. */

import { signal } from "@preact/signals";
import { api, dataOf, type Job } from "./client.ts";

const ACTIVE_MILLISECONDS = 1000;
const IDLE_MILLISECONDS = 20_000;

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
  await refresh(jobId);
  schedule();
}

/** Follow all jobs of the account, until the page is left. */
export async function followJobs(): Promise<void> {
  await poll();
}

/** Cancel a job. */
export async function cancelJob(jobId: string): Promise<void> {
  await api.DELETE("/api/jobs/{job_id}", { params: { path: { job_id: jobId } } });
  await refresh(jobId);
}

export function isActive(job: Job): boolean {
  return job.status === "queued" || job.status === "processing" || job.status === "downloading";
}

async function poll(): Promise<void> {
  try {
    if (performance.now() - listedAt >= IDLE_MILLISECONDS) {
      listedAt = performance.now();
      const listed = await dataOf(api.GET("/api/jobs", { params: { query: { page_size: 50 } } }));
      for (const job of listed.filter(isActive)) change(job);
    }
    await Promise.all([...activeJobs.value.keys()].map(refresh));
  } catch {
    // The next round tries again.
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

function change(job: Job): void {
  const wasActive = activeJobs.value.has(job.id);
  const jobs = new Map(activeJobs.value);
  if (isActive(job)) jobs.set(job.id, job);
  else jobs.delete(job.id);
  activeJobs.value = jobs;
  if (wasActive && !isActive(job)) for (const listener of listeners) listener(job);
}
