/** How long to wait before the next try: doubling, with full jitter, so that a restarted server is not stormed. */
export class Backoff {
  #firstMs;
  #mostMs;
  #random;
  #tries = 0;

  /** @param {{firstMs?: number, mostMs?: number, random?: () => number}} [options] */
  constructor({ firstMs = 400, mostMs = 20_000, random = Math.random } = {}) {
    this.#firstMs = firstMs;
    this.#mostMs = mostMs;
    this.#random = random;
  }

  /** Failures since the last success. */
  get tries() {
    return this.#tries;
  }

  /** Counts a failure and says how many milliseconds to wait; at least a quarter of the bound, so that it is never a hot loop. */
  next() {
    const bound = Math.min(this.#mostMs, this.#firstMs * 2 ** Math.min(this.#tries, 16));
    this.#tries += 1;
    return bound * (0.25 + 0.75 * this.#random());
  }

  reset() {
    this.#tries = 0;
  }
}
