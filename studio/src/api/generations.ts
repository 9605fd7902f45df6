/** Requests for clips, and their jobs. They are followed on all pages, and survive a reload. */

import { signal } from "@preact/signals";
import { loadMarks } from "./clips.ts";
import { accountId, ApiError, api, type Clip, type ClipJob, type GenerateBody } from "./client.ts";
import { bodyOf } from "./requests.ts";

/** A job of a request. */
export interface Variation {
  readonly id: string;
  readonly job: ClipJob | null;
  readonly clip: Clip | null;
  /** Why the last look failed. */
  readonly problem: string;
  readonly isCancelled: boolean;
}

/** A request for one or several clips. */
export interface Generation {
  readonly prompt: string;
  readonly variations: readonly Variation[];
}

const REMEMBERED = 8;
const INTERVAL_MILLISECONDS = 1000;

/** The latest requests first. */
export const generations = signal<readonly Generation[]>(remembered());

let timer: ReturnType<typeof setTimeout> | undefined;

/** Ask for clips. Throws {@link ApiError} with the sentence of the server. */
export async function generate(body: GenerateBody): Promise<void> {
  const { job_ids: ids } = await bodyOf(api.POST("/generate", { body }));
  set([{ prompt: body.prompt, variations: ids.map(waiting) }, ...generations.value].slice(0, REMEMBERED));
  follow();
}

/** Cancel a job, whether it waits or runs. */
export async function cancel(id: string): Promise<void> {
  await bodyOf(api.DELETE("/api/jobs/{job_id}", { params: { path: { job_id: uuidOf(id) } } }));
  change(id, { isCancelled: true });
}

/** Forget a request. Its clips stay in the library. */
export function forget(generation: Generation): void {
  set(generations.value.filter((one) => one !== generation));
}

export function isEnded(variation: Variation): boolean {
  return variation.isCancelled || variation.clip !== null || variation.job?.status === "failed";
}

/** Look at the jobs that have not ended, until all have. */
export function follow(): void {
  clearTimeout(timer);
  timer = setTimeout(() => void look(), 0);
}

async function look(): Promise<void> {
  const open = generations.value.flatMap(({ variations }) => variations).filter((one) => !isEnded(one));
  await Promise.all(open.map(refresh));
  clearTimeout(timer);
  if (open.length > 0) timer = setTimeout(() => void look(), INTERVAL_MILLISECONDS * Math.ceil(open.length / 4));
}

async function refresh({ id }: Variation): Promise<void> {
  try {
    const job = await bodyOf(api.GET("/job/{job_id}", { params: { path: { job_id: id } } }));
    change(id, { job, problem: "" });
    if (job.status !== "completed") return;
    const clip = await bodyOf(api.GET("/api/library/{gen_id}", { params: { path: { gen_id: id } } }));
    void loadMarks([clip]).catch(() => {}); // voting works without them
    change(id, { clip });
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 404) await missing(id);
    else change(id, { problem: error.message });
  }
}

/** A cancelled job is no longer there. A clip can come into the library shortly after its job has ended. */
async function missing(id: string): Promise<void> {
  const variation = generations.value.flatMap(({ variations }) => variations).find((one) => one.id === id);
  if (variation?.job?.status !== "completed") change(id, { isCancelled: true });
}

function change(id: string, changed: Partial<Variation>): void {
  generations.value = generations.value.map((generation) =>
    generation.variations.some((one) => one.id === id)
      ? {
          ...generation,
          variations: generation.variations.map((one) => (one.id === id ? { ...one, ...changed } : one)),
        }
      : generation,
  );
}

function set(changed: readonly Generation[]): void {
  generations.value = changed;
  const kept = changed.map(({ prompt, variations }) => ({ prompt, ids: variations.map(({ id }) => id) }));
  localStorage.setItem(key(), JSON.stringify(kept));
}

/** Another account in the same browser has requests of its own. */
function key(): string {
  return `soundwright.generations.${accountId}`;
}

function remembered(): Generation[] {
  try {
    const kept = JSON.parse(localStorage.getItem(key()) ?? "[]") as { prompt: string; ids: string[] }[];
    return kept.map(({ prompt, ids }) => ({ prompt, variations: ids.map(waiting) }));
  } catch {
    return [];
  }
}

function waiting(id: string): Variation {
  return { id, job: null, clip: null, problem: "", isCancelled: false };
}

/** Return the ID of a clip as the forge dialect writes it, with dashes. */
function uuidOf(id: string): string {
  return id.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
