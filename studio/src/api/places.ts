/** Requests for jobs that wait for a place, because an account may have only so many unfinished jobs. */

import { signal } from "@preact/signals";

export class Places {
  /** Requests that wait. */
  readonly waitingCount = signal(0);
  /** Waits until a job of the account ends. Returns false if none is unfinished. */
  untilJobEnds: () => Promise<boolean> = () => Promise.resolve(false);
  readonly #cancels = new Set<() => void>();
  /** The last repetition. Those that waited longer come first. */
  #last: Promise<unknown> = Promise.resolve();

  /** Send a request. While it has no place, repeat it whenever a job ends, and once more when none is unfinished. */
  async send(request: () => Promise<Response>): Promise<Response> {
    let response = await request();
    for (let isLast = false; !isLast && (await isFull(response));) {
      const end = await this.#wait();
      if (end === "cancelled") break;
      isLast = end === "idle";
      const repetition = this.#last.then(request, request);
      this.#last = repetition;
      response = await repetition;
    }
    return response;
  }

  /** End the waiting. The requests return their refusals. */
  cancel(): void {
    for (const cancel of this.#cancels) cancel();
  }

  async #wait(): Promise<"ended" | "idle" | "cancelled"> {
    let cancel = () => {};
    const cancelled = new Promise<"cancelled">((resolve) => (cancel = () => resolve("cancelled")));
    this.#cancels.add(cancel);
    this.waitingCount.value = this.#cancels.size;
    try {
      return await Promise.race([this.untilJobEnds().then((isEnded) => (isEnded ? "ended" : "idle")), cancelled]);
    } finally {
      this.#cancels.delete(cancel);
      this.waitingCount.value = this.#cancels.size;
    }
  }
}

/** Refusals of the soundbox dialect have no code. */
async function isFull(response: Response): Promise<boolean> {
  if (response.status !== 429) return false;
  const body: unknown = await response
    .clone()
    .json()
    .catch(() => null); // a proxy may answer without JSON
  const { code, max_pending } = (body ?? {}) as { code?: string; max_pending?: number };
  return code === "TOO_MANY_PENDING" || max_pending !== undefined;
}

export const places = new Places();
