/**
 * Comments that are not on the stage yet: those that are held back by a delay, and those that are due and wait for a lane, at
 * most `MAX_WAIT_MS`. Bounded; what exceeds the bound counts as dropped. It knows neither lanes nor elements. `now` is always an
 * argument: this page's clock in Unix milliseconds.
 */

import { DelayedComments } from './delayed-comments.js';
import { countComments, splitExpired, withoutWhere } from './priority.js';

/** @typedef {import('./priority.js').Candidate} Candidate */
/** @typedef {import('./priority.js').StageEntry} StageEntry */

/** Milliseconds after which a comment that is due is too old for the stage. */
export const STALE_AFTER_MS = 5000;

export class PendingComments {
  /** @type {DelayedComments<StageEntry>} */
  #delayed;
  /** @type {Candidate[]} */
  #waiting = [];
  #dropped = 0;

  /** @param {import('./server-clock.js').ServerClock} clock */
  constructor(clock) {
    this.#delayed = new DelayedComments(clock);
  }

  /** Milliseconds from a comment's `at` until it is due. @param {number} delay */
  set delayMs(delay) {
    this.#delayed.delayMs = delay;
  }

  /** @param {StageEntry} entry @param {boolean} own @param {number} now */
  add(entry, own, now) {
    if (this.#delayed.add(entry, own, now)) this.#dropped += 1;
  }

  /**
   * Returns every candidate for a lane. Candidates that have waited too long are removed and counted as dropped; comments that
   * are already stale when they become due are removed uncounted.
   * @param {number} now @param {number} since when the stage last started to run: before that no lane was given
   */
  takeDue(now, since) {
    for (const comment of this.#delayed.takeDue(now)) {
      const due = this.#delayed.dueTime(comment);
      if (now - due > STALE_AFTER_MS) continue;
      this.#waiting.push({ entry: comment.entry, merged: [], own: comment.own, readyAt: Math.max(due, comment.arrived, since) });
    }
    const { waiting, expired } = splitExpired(this.#waiting, now);
    this.#waiting = waiting;
    this.#dropped += countComments(expired);
    return waiting;
  }

  /** Puts back the candidates of `takeDue` that got no lane. @param {Candidate[]} candidates */
  putBack(candidates) {
    this.#waiting = candidates;
  }

  /** Removes what is stale, uncounted; for a stage that is paused and takes nothing. @param {number} now */
  dropStale(now) {
    this.#delayed.takeDue(now - STALE_AFTER_MS);
  }

  /** @param {(entry: StageEntry) => boolean} test */
  removeWhere(test) {
    this.#delayed.removeWhere(test);
    this.#waiting = this.#waiting.flatMap((candidate) => withoutWhere(candidate, test) ?? []);
  }

  /** Milliseconds until a comment needs a lane; Infinity when none is pending. @param {number} now */
  msUntilNext(now) {
    return this.#waiting.length > 0 ? 0 : this.#delayed.msUntilNext(now);
  }

  /** Returns how many comments were dropped since the last call. */
  takeDropped() {
    const dropped = this.#dropped;
    this.#dropped = 0;
    return dropped;
  }
}
