/**
 * Comments that are not due yet: each is held back until a delay after the server's stamp has passed. Bounded. The stage and
 * the transcript each have one, so that a comment appears in both at the same time. `now` is always an argument: this page's
 * clock in Unix milliseconds.
 */

/** @typedef {import('./priority.js').StageEntry} StageEntry */
/** @template {StageEntry} E @typedef {{entry: E, own: boolean, at: number, arrived: number}} Delayed */

const MAX_NOT_DUE = 5000;

/** @template {StageEntry} E */
export class DelayedComments {
  #clock;
  /** @type {Delayed<E>[]} */
  #comments = [];
  /** Milliseconds from a comment's `at` until it is due. */
  delayMs = 0;

  /** @param {import('./server-clock.js').ServerClock} clock */
  constructor(clock) {
    this.#clock = clock;
  }

  /**
   * Adds a comment that just arrived; returns the oldest one if there are too many.
   * @param {E} entry @param {boolean} own @param {number} now
   * @returns {Delayed<E> | undefined}
   */
  add(entry, own, now) {
    const at = entry.at ?? this.#clock.toServerTime(now);
    this.#clock.observe(at, now);
    this.#comments.push({ entry, own, at, arrived: now });
    return this.#comments.length > MAX_NOT_DUE ? this.#comments.shift() : undefined;
  }

  /** When a comment is due, on this page's clock. @param {{at: number}} comment */
  dueTime({ at }) {
    return this.#clock.toLocalTime(at) + this.delayMs;
  }

  /** Removes and returns what is due. @param {number} now */
  takeDue(now) {
    const due = this.#comments.filter((comment) => this.dueTime(comment) <= now);
    if (due.length > 0) this.#comments = this.#comments.filter((comment) => this.dueTime(comment) > now);
    return due;
  }

  /** @param {(entry: E) => boolean} test */
  removeWhere(test) {
    this.#comments = this.#comments.filter(({ entry }) => !test(entry));
  }

  /** Milliseconds until the next comment is due; Infinity when there is none. @param {number} now */
  msUntilNext(now) {
    return this.#comments.reduce((wait, comment) => Math.min(wait, this.dueTime(comment) - now), Infinity);
  }
}
