/** Notifications of the browser about jobs that end while another page or program is in front. */

import { signal } from "@preact/signals";
import type { Job } from "./client.ts";
import { onJobFinished } from "./jobs.ts";

/** What the user allows: `default` was not asked yet. Null if the browser has no notifications. */
export const permission = signal<NotificationPermission | null>(
  typeof Notification === "undefined" ? null : Notification.permission,
);

/** Ask the user. Browsers show the question only after a click. */
export async function askToNotify(): Promise<void> {
  permission.value = await Notification.requestPermission();
}

/** Notify from now on. Called once. */
export function startNotifications(): void {
  onJobFinished((job) => {
    if (permission.value !== "granted" || !document.hidden || job.error === "cancelled") return;
    try {
      const isDone = job.status === "completed";
      const notification = new Notification(isDone ? `Done: ${nameOf(job)}` : `Failed: ${nameOf(job)}`, {
        body: (isDone ? job.title : job.error) ?? "",
        tag: job.id,
      });
      notification.onclick = () => {
        focus();
        notification.close();
      };
    } catch {
      // Browsers of phones have the class, but do not let pages use it.
    }
  });
}

/** The words for each type of job. */
export const JOB_NAMES: Readonly<Record<string, string>> = {
  processing: "Separation",
  analysis: "Analysis",
  download: "Download",
  generation: "Generation",
  pipeline: "Pipeline",
  export: "Export",
  batch: "Batch",
};

/** Return what a job does, for example `Separation`. */
export function nameOf(job: Pick<Job, "job_type">): string {
  return JOB_NAMES[job.job_type] ?? "Job";
}
