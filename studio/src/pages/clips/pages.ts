/** The pages of a list that loads on demand. Answers to an earlier filter never replace those to a later one. */

import { signal } from "@preact/signals";
import type { ClipFilter, ClipPage } from "../../api/clips.ts";
import type { Clip } from "../../api/client.ts";

export interface LoadedPage {
  readonly number: number;
  readonly clips: readonly Clip[];
}

type Load = (filter: ClipFilter, page: number, signal: AbortSignal) => Promise<ClipPage>;

export class ClipPages {
  readonly pages = signal<readonly LoadedPage[]>([]);
  readonly total = signal<number | null>(null);
  readonly isLoading = signal(false);
  readonly problem = signal("");
  /** The number of the page that could not be loaded; 0: none. */
  readonly failedPage = signal(0);

  #filter: ClipFilter | null = null;
  #pageCount = 1;
  #abort = new AbortController();
  readonly #load: Load;

  constructor(load: Load) {
    this.#load = load;
  }

  get hasMore(): boolean {
    return this.pages.value.length < this.#pageCount;
  }

  get clips(): readonly Clip[] {
    return this.pages.value.flatMap(({ clips }) => clips);
  }

  /** Show the first page of another filter. What was shown stays until it arrives. */
  async show(filter: ClipFilter): Promise<void> {
    this.#abort.abort();
    this.#filter = filter;
    await this.#fetch(1);
  }

  /** Load the next page, unless one is loading. */
  async more(): Promise<void> {
    if (this.isLoading.value || this.failedPage.value > 0 || !this.hasMore) return;
    await this.#fetch(this.pages.value.length + 1);
  }

  /** Load again what failed. */
  async retry(): Promise<void> {
    if (this.failedPage.value > 0) await this.#fetch(this.failedPage.value);
  }

  close(): void {
    this.#abort.abort();
  }

  async #fetch(number: number): Promise<void> {
    if (!this.#filter) return;
    const abort = (this.#abort = new AbortController());
    this.isLoading.value = true;
    this.problem.value = "";
    this.failedPage.value = 0;
    try {
      const { items, total, pages } = await this.#load(this.#filter, number, abort.signal);
      if (this.#abort !== abort || abort.signal.aborted) return;
      const before = number === 1 ? [] : this.pages.value;
      // New clips move others to the next page, so that they come again.
      const known = new Set(before.flatMap(({ clips }) => clips.map(({ id }) => id)));
      this.pages.value = [...before, { number, clips: items.filter(({ id }) => !known.has(id)) }];
      this.total.value = total;
      this.#pageCount = pages;
    } catch (error) {
      if (this.#abort !== abort || abort.signal.aborted) return;
      this.problem.value = (error as Error).message;
      this.failedPage.value = number;
    } finally {
      if (this.#abort === abort) this.isLoading.value = false;
    }
  }
}
