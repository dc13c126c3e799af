/**
 * Batches DOM changes: all functions that change the DOM run in one pass, so that a busy room causes few main-thread frames.
 *
 * Each main-thread frame restyles every running animation, so the cost of a page depends on the number of frames it causes, not
 * on the number of comments. A pass runs at once when the last one is long enough ago, and at most every `busyGapMs`. It runs no
 * requestAnimationFrame loop.
 */

/** @typedef {(now: number) => void} Writer a function that changes the DOM, called with `performance.now()` */

export class RenderScheduler {
  #busyGapMs;
  /** @type {Set<Writer>} */
  #writers = new Set();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #lastPass = -Infinity;

  /** @param {{busyGapMs?: number}} [options] the shortest time between two passes, in milliseconds */
  constructor({ busyGapMs = 200 } = {}) {
    this.#busyGapMs = busyGapMs;
  }

  /** The shortest time between two passes, in milliseconds. */
  get busyGapMs() {
    return this.#busyGapMs;
  }

  /**
   * Runs `writer` in the next pass; a function that is requested twice runs once.
   * @param {Writer} writer
   */
  request(writer) {
    this.#writers.add(writer);
    if (this.#timer !== undefined) return;
    const wait = Math.max(0, this.#lastPass + this.#busyGapMs - performance.now());
    this.#timer = setTimeout(() => this.flush(), wait);
  }

  /** Runs the pass now. A writer that is requested during the pass runs in the next one. */
  flush() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const writers = this.#writers;
    this.#writers = new Set();
    this.#lastPass = performance.now();
    for (const writer of writers) {
      try {
        writer(this.#lastPass);
      } catch (error) {
        reportError(error); // an exception in one writer must not stop the others
      }
    }
  }
}
