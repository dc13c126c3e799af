/**
 * Comments that are not on the stage yet: those that are not due because of a delay, and those that are due and wait for a
 * lane, at most `MAX_WAIT_MS`. Bounded; what exceeds the bound counts as dropped. It converts the server's stamps to this
 * page's time, and knows neither lanes nor elements. `now` is always an argument: this page's clock in Unix milliseconds.
 */

import { countComments, splitExpired } from './priority.js';
import { ServerClock } from './server-clock.js';

/** @typedef {import('./priority.js').Candidate} Candidate */
/** @typedef {import('./priority.js').StageEntry} StageEntry */

/** Milliseconds after which a comment that is due is too old for the stage. */
export const STALE_AFTER_MS = 5000;
const MAX_NOT_DUE = 5000;

export class PendingComments {
  #clock = new ServerClock();
  /** @type {{entry: StageEntry, own: boolean, at: number, arrived: number}[]} */
  #notDue = [];
  /** @type {Candidate[]} */
  #waiting = [];
  #dropped = 0;
  /** Milliseconds from a comment's `at` until it is due. */
  delayMs = 0;

  /** @param {StageEntry} entry @param {boolean} own @param {number} now */
  add(entry, own, now) {
    const at = entry.at ?? this.#clock.toServerTime(now);
    this.#clock.observe(at, now);
    if (this.#notDue.length >= MAX_NOT_DUE) {
      this.#notDue.shift();
      this.#dropped += 1;
    }
    this.#notDue.push({ entry, own, at, arrived: now });
  }

  /** @param {{at: number}} comment */
  #dueTime({ at }) {
    return this.#clock.toLocalTime(at) + this.delayMs;
  }

  /**
   * Returns every candidate for a lane. Candidates that have waited too long are removed and counted as dropped; comments that
   * are already stale when they become due are removed uncounted.
   * @param {number} now @param {number} since when the stage last started to run: before that no lane was given
   */
  takeDue(now, since) {
    const notDue = [];
    for (const comment of this.#notDue) {
      const due = this.#dueTime(comment);
      if (due > now) notDue.push(comment);
      else if (now - due <= STALE_AFTER_MS) {
        this.#waiting.push({ entry: comment.entry, own: comment.own, count: 1, readyAt: Math.max(due, comment.arrived, since) });
      }
    }
    this.#notDue = notDue;
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
    this.#notDue = this.#notDue.filter((comment) => now - this.#dueTime(comment) <= STALE_AFTER_MS);
  }

  /** @param {(entry: StageEntry) => boolean} test */
  removeWhere(test) {
    this.#notDue = this.#notDue.filter(({ entry }) => !test(entry));
    this.#waiting = this.#waiting.filter(({ entry }) => !test(entry));
  }

  /** Milliseconds until a comment needs a lane; Infinity when none is pending. @param {number} now */
  msUntilNext(now) {
    if (this.#waiting.length > 0) return 0;
    return this.#notDue.reduce((wait, comment) => Math.min(wait, this.#dueTime(comment) - now), Infinity);
  }

  /** Returns how many comments were dropped since the last call. */
  takeDropped() {
    const dropped = this.#dropped;
    this.#dropped = 0;
    return dropped;
  }
}
