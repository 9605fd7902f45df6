/** Passes values on. Of those in quick succession it passes the first at once, and the last when no other has come for a while. */
export class Debounced<T> {
  readonly #act: (value: T) => void;
  readonly #restMilliseconds: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #waiting: T | null = null;

  constructor(act: (value: T) => void, restMilliseconds: number) {
    this.#act = act;
    this.#restMilliseconds = restMilliseconds;
  }

  /** The value that is not passed on yet. */
  get waiting(): T | null {
    return this.#waiting;
  }

  pass(value: T): void {
    const isFirst = this.#timer === undefined;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.flush(), this.#restMilliseconds);
    if (isFirst) this.#act(value);
    else this.#waiting = value;
  }

  /** Pass the value that waits on now. */
  flush(): void {
    const value = this.#waiting;
    this.cancel();
    if (value !== null) this.#act(value);
  }

  /** Forget the value that waits. */
  cancel(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#waiting = null;
  }
}
