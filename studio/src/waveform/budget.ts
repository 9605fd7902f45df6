/** Limits how often something happens: `burst` times at once, then `perSecond`. */
export class Budget {
  readonly #burst: number;
  readonly #perSecond: number;
  #left: number;
  #seconds: number;

  constructor(burst: number, perSecond: number, seconds: number) {
    this.#burst = burst;
    this.#perSecond = perSecond;
    this.#left = burst;
    this.#seconds = seconds;
  }

  /** Return the seconds to wait; 0: it may happen now, and counts. */
  take(seconds: number): number {
    this.#left = Math.min(this.#burst, this.#left + (seconds - this.#seconds) * this.#perSecond);
    this.#seconds = seconds;
    if (this.#left < 1) return (1 - this.#left) / this.#perSecond;
    this.#left--;
    return 0;
  }
}
