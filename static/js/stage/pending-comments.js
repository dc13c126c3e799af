/**
 * The foyer: comments that are not due yet (a delay), and those that are due and wait for a lane, never longer than their
 * patience. Bounded; what goes over the bound counts as dropped. Knows the server's clock, no lanes and no elements; `now` is
 * this page's clock in Unix milliseconds and always an argument.
 */

import { countComments, partByPatience } from './priority.js';
import { ServerClock } from './server-clock.js';

/** @typedef {import('./priority.js').Offer} Offer */
/** @typedef {import('./priority.js').StageEntry} StageEntry */

/** Milliseconds; what is older belongs to the past, and to the transcript. */
export const FRESH_MS = 5000;
const EARLY_MOST = 5000;

export class Foyer {
  #clock = new ServerClock();
  /** @type {{entry: StageEntry, own: boolean, at: number, arrived: number}[]} */
  #early = [];
  /** @type {Offer[]} */
  #waiting = [];
  #dropped = 0;
  /** Milliseconds between a comment's `at` and its turn. */
  delayMs = 0;

  /** @param {StageEntry} entry @param {boolean} own @param {number} now */
  add(entry, own, now) {
    const at = entry.at ?? this.#clock.theirs(now);
    this.#clock.observe(at, now);
    if (this.#early.length >= EARLY_MOST) {
      this.#early.shift();
      this.#dropped += 1;
    }
    this.#early.push({ entry, own, at, arrived: now });
  }

  /** @param {{at: number}} comment */
  #dueTime({ at }) {
    return this.#clock.ours(at) + this.delayMs;
  }

  /**
   * Everyone who may have a lane now. What ran out of patience counts as dropped; what was due before it was fresh stays out.
   * @param {number} now @param {number} since nobody could have a lane before this moment (the stage stood still)
   */
  call(now, since) {
    const early = [];
    for (const comment of this.#early) {
      const due = this.#dueTime(comment);
      if (due > now) early.push(comment);
      else if (now - due <= FRESH_MS) {
        this.#waiting.push({ entry: comment.entry, own: comment.own, count: 1, readyAt: Math.max(due, comment.arrived, since) });
      }
    }
    this.#early = early;
    const { waiting, late } = partByPatience(this.#waiting, now);
    this.#waiting = waiting;
    this.#dropped += countComments(late);
    return waiting;
  }

  /** Those without a lane wait on. @param {Offer[]} offers */
  keep(offers) {
    this.#waiting = offers;
  }

  /** Lets what is no longer fresh go, uncounted, while the stage stands still. @param {number} now */
  air(now) {
    this.#early = this.#early.filter((comment) => now - this.#dueTime(comment) <= FRESH_MS);
  }

  /** @param {(entry: StageEntry) => boolean} test */
  forget(test) {
    this.#early = this.#early.filter(({ entry }) => !test(entry));
    this.#waiting = this.#waiting.filter(({ entry }) => !test(entry));
  }

  /** Milliseconds until somebody wants a lane. @param {number} now */
  nextIn(now) {
    if (this.#waiting.length > 0) return 0;
    return this.#early.reduce((wait, comment) => Math.min(wait, this.#dueTime(comment) - now), Infinity);
  }

  /** How many comments were dropped since this was last asked. */
  takeDropped() {
    const dropped = this.#dropped;
    this.#dropped = 0;
    return dropped;
  }
}
