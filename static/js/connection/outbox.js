/**
 * What was said and is not yet known to be kept, and when it may be sent: the connection opens and closes it, and lends it
 * `send`. What is said while nothing waits goes out at once. What waits for the connection, or was told "not now", goes out
 * one after the other, in the order it was said and always under its first ref: the server knows a ref it has seen, and
 * shows it once. It does not go on for ever: after `PATIENCE_MS` in which nothing was accepted, a "not now" is final.
 */

import { Backoff } from './backoff.js';

/** @typedef {import('./wire.js').Post} Post */
/** @typedef {import('./wire.js').PostMessage} PostMessage */
/** @typedef {{message: PostMessage, waits: boolean}} Said waits: it goes out in its turn, not at once */

const PATIENCE_MS = 60_000;
const PACED = new Set(['too_fast', 'slow_mode']); // "not now" because of who speaks, not because of the server

export class Outbox {
  static LIMIT = 32;

  #send;
  /** @type {Map<string, Said>} what has no answer, by ref, in the order it was said */
  #unanswered = new Map();
  #isOpen = false;
  /** The ref of the waiting post that is on its way. */
  #underWay = '';
  /** @type {ReturnType<typeof setTimeout> | undefined} runs while nothing that waits may be sent */
  #timer;
  #patientUntil = 0;
  #refusals = new Backoff();

  /** @param {(message: PostMessage) => void} send */
  constructor(send) {
    this.#send = send;
  }

  /** The connection is there: whatever has no answer is sent, again or for the first time. */
  open() {
    this.close();
    for (const said of this.#unanswered.values()) said.waits = true;
    this.#isOpen = true;
    this.#bePatient();
    this.#sendNext();
  }

  /** The connection is gone: nothing is sent. */
  close() {
    this.#isOpen = false;
    this.#underWay = '';
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /**
   * Keeps a post under a new ref; null when too many are without an answer already.
   * @param {Post} post
   * @returns {string | null}
   */
  add(post) {
    if (this.#unanswered.size >= Outbox.LIMIT) return null;
    const ref = makeRef();
    /** @type {PostMessage} */
    const message = { type: 'post', ref, ...post };
    if (this.#unanswered.size === 0) this.#bePatient();
    const waits = !this.#isOpen || this.#firstWaiting() !== undefined;
    this.#unanswered.set(ref, { message, waits });
    if (!waits) this.#send(message);
    return ref;
  }

  /**
   * A post was kept: lets go of it and returns it.
   * @param {string | null | undefined} ref
   * @returns {Post | undefined}
   */
  accept(ref) {
    this.#bePatient();
    return this.settle(ref);
  }

  /**
   * A post was told "not now": says whether it stays, to be sent again under its ref when the wait is over.
   * @param {import('./wire.js').Reject} reject
   */
  defer({ ref, code, retry_after: seconds }) {
    const said = this.#unanswered.get(ref ?? '');
    if (!said || typeof seconds !== 'number') return false;
    if (PACED.has(code) && !said.waits) return false; // whoever said it sits at the field
    if (performance.now() + seconds * 1000 > this.#patientUntil) return false;
    said.waits = true;
    if (this.#underWay === ref) this.#underWay = '';
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#sendNext();
    }, seconds * 1000 + this.#refusals.next());
    return true;
  }

  /**
   * A post was answered for good: lets go of it and returns it.
   * @param {string | null | undefined} ref
   * @returns {Post | undefined}
   */
  settle(ref) {
    const said = this.#unanswered.get(ref ?? '');
    if (!said) return undefined;
    this.#unanswered.delete(said.message.ref);
    if (this.#underWay === ref) this.#underWay = '';
    this.#sendNext();
    return said.message;
  }

  #bePatient() {
    this.#patientUntil = performance.now() + PATIENCE_MS;
    this.#refusals.reset();
  }

  #sendNext() {
    const next = this.#firstWaiting();
    if (!next || !this.#isOpen || this.#underWay || this.#timer !== undefined) return;
    this.#underWay = next.ref;
    this.#send(next);
  }

  #firstWaiting() {
    for (const { message, waits } of this.#unanswered.values()) if (waits) return message;
    return undefined;
  }
}

/** Random, not counted: two tabs of one user must not say two things under one ref. */
function makeRef() {
  const words = crypto.getRandomValues(new Uint32Array(4));
  return Array.from(words, (word) => word.toString(36)).join('');
}
