/** What can be heard of a separation while it runs. */

import { effect, signal } from "@preact/signals";
import { api, dataOf, type LiveStems } from "./client.ts";

const RETRY_MILLISECONDS = 2000;

/** Follows a separation until it ends. */
export class LiveFeed {
  readonly jobId: string;
  readonly state = signal<LiveStems | null>(null);
  /** Segments that come in a second, by what came so far; 0 while it is unknown. */
  readonly segmentsPerSecond = signal(0);
  #isClosed = false;

  constructor(jobId: string) {
    this.jobId = jobId;
    void this.#follow();
  }

  /** Resolve when a segment is there. Throws if the separation ends without it. */
  until(index: number, abort: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const dispose = effect(() => {
        const found = this.state.value;
        if (found && found.ready_segment_count > index) resolve();
        else if (found && found.state !== "live" && found.state !== "waiting") {
          reject(new Error("The separation has ended without this part. Start it again."));
        } else return;
        queueMicrotask(() => dispose());
      });
      abort.addEventListener("abort", () => {
        dispose();
        reject(new DOMException("The part is not needed any more.", "AbortError"));
      });
    });
  }

  close(): void {
    this.#isClosed = true;
  }

  async #follow(): Promise<void> {
    let first: { at: number; count: number } | null = null;
    while (!this.#isClosed) {
      try {
        const query = { wait_for: this.state.value?.ready_segment_count ?? 0 };
        const params = { path: { job_id: this.jobId }, query };
        const found = await dataOf(api.GET("/api/jobs/{job_id}/live", { params }));
        const now = performance.now();
        if (!first || found.attempt !== this.state.value?.attempt)
          first = { at: now, count: found.ready_segment_count };
        else this.segmentsPerSecond.value = (1000 * (found.ready_segment_count - first.count)) / (now - first.at);
        this.state.value = found;
        if (found.state !== "live" && found.state !== "waiting") return;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, RETRY_MILLISECONDS)); // the connection, or a part of the server
      }
    }
  }
}
