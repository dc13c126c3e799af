/** Exponential backoff with jitter, so that the viewers of a restarted server do not all reconnect at the same time. */
export class Backoff {
  #firstMs;
  #maxMs;
  #random;
  #failures = 0;

  /** @param {{firstMs?: number, maxMs?: number, random?: () => number}} [options] */
  constructor({ firstMs = 400, maxMs = 20_000, random = Math.random } = {}) {
    this.#firstMs = firstMs;
    this.#maxMs = maxMs;
    this.#random = random;
  }

  /** Failures since the last success. */
  get failures() {
    return this.#failures;
  }

  /** Counts a failure and returns the milliseconds to wait; never less than a quarter of the bound, so that no loop gets hot. */
  next() {
    const bound = Math.min(this.#maxMs, this.#firstMs * 2 ** Math.min(this.#failures, 16));
    this.#failures += 1;
    return bound * (0.25 + 0.75 * this.#random());
  }

  reset() {
    this.#failures = 0;
  }
}
