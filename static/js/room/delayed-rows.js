/**
 * The transcript's comments, held back by the same delay as those on the stage: a row appears when its comment does. What is
 * removed meanwhile never appears.
 */

import { unixNow } from '../stage/clock.js';
import { DelayedComments } from '../stage/delayed-comments.js';

/** @typedef {import('../connection/wire.js').CommentEntry} CommentEntry */

export class DelayedRows {
  #transcript;
  /** @type {DelayedComments<CommentEntry>} */
  #delayed;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {import('./transcript.js').Transcript} transcript @param {import('../stage/server-clock.js').ServerClock} serverClock */
  constructor(transcript, serverClock) {
    this.#transcript = transcript;
    this.#delayed = new DelayedComments(serverClock);
  }

  /** @param {number} seconds */
  setDelay(seconds) {
    this.#delayed.delayMs = seconds * 1000;
    this.#showDue();
  }

  /** @param {CommentEntry} entry */
  add(entry) {
    const tooMany = this.#delayed.add(entry, false, unixNow());
    if (tooMany) this.#transcript.add(tooMany.entry);
    this.#showDue();
  }

  /** Removes comments from the transcript and from those that wait. @param {(entry: CommentEntry) => boolean} test */
  removeWhere(test) {
    this.#delayed.removeWhere(test);
    this.#transcript.removeWhere(test);
  }

  #showDue = () => {
    clearTimeout(this.#timer);
    const now = unixNow();
    for (const { entry } of this.#delayed.takeDue(now)) this.#transcript.add(entry);
    const wait = this.#delayed.msUntilNext(now);
    if (Number.isFinite(wait)) this.#timer = setTimeout(this.#showDue, wait);
  };
}
