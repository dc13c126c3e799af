/**
 * The page's one beat: every writer that changes the DOM runs in one pass, so that a busy room costs few main-thread frames.
 *
 * Each frame the main thread makes restyles every running animation, so what a page pays for is the number of frames it
 * causes, not the number of comments. A pass runs at once while the page is quiet and at most once per `busyGapMs` when it is
 * not. It does not measure, animate or know what its writers do, and it runs no requestAnimationFrame loop.
 */

/** @typedef {(now: number) => void} Writer Called in the next pass with `performance.now()`. */

export class Beat {
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
   * Runs `writer` in the next pass; the same function asked for twice runs once.
   * @param {Writer} writer
   */
  request(writer) {
    this.#writers.add(writer);
    if (this.#timer !== undefined) return;
    const wait = Math.max(0, this.#lastPass + this.#busyGapMs - performance.now());
    this.#timer = setTimeout(() => this.flush(), wait);
  }

  /** Runs the pass now. A writer that asks again during the pass runs in the next one. */
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
        reportError(error); // one broken writer must not keep the others from the page
      }
    }
  }
}
