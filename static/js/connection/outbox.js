/**
 * Posts without a final reply, and when they are sent. The connection opens and closes the outbox and provides `send`. A post
 * is sent at once while none is queued. Queued posts (made while offline, or rejected with a `retry_after`) are sent one at a
 * time, in order and always with their first ref, since the server accepts a ref only once. Retries end: when nothing was
 * accepted for `RETRY_FOR_MS`, the next rejection is final.
 */

import { Backoff } from './backoff.js';

/** @typedef {import('./wire.js').Post} Post */
/** @typedef {import('./wire.js').PostMessage} PostMessage */
/** @typedef {{message: PostMessage, queued: boolean}} Pending queued: it is sent in its turn, not at once */

const RETRY_FOR_MS = 60_000;
const VIEWER_LIMITS = new Set(['too_fast', 'slow_mode']); // rejections caused by the viewer's rate, not by the server's state

export class Outbox {
  static LIMIT = 32;

  #send;
  /** @type {Map<string, Pending>} posts without a final reply, by ref, in order */
  #pending = new Map();
  #isOpen = false;
  /** The ref of the queued post that was sent and has no reply yet. */
  #inFlight = '';
  /** @type {ReturnType<typeof setTimeout> | undefined} runs while no queued post may be sent */
  #timer;
  #deadline = 0;
  #backoff = new Backoff();

  /** @param {(message: PostMessage) => unknown} send */
  constructor(send) {
    this.#send = send;
  }

  /** How many posts have no final reply. */
  get size() {
    return this.#pending.size;
  }

  /** Call it when the connection is live: every pending post is sent, again or for the first time. */
  open() {
    this.close();
    for (const pending of this.#pending.values()) pending.queued = true;
    this.#isOpen = true;
    this.#resetDeadline();
    this.#sendNext();
  }

  /** Call it when the connection is lost: nothing is sent. */
  close() {
    this.#isOpen = false;
    this.#inFlight = '';
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /**
   * Adds a post and returns its new ref; null when too many are pending.
   * @param {Post} post
   * @returns {string | null}
   */
  add(post) {
    if (this.#pending.size >= Outbox.LIMIT) return null;
    const ref = makeRef();
    /** @type {PostMessage} */
    const message = { type: 'post', ref, ...post };
    if (this.#pending.size === 0) this.#resetDeadline();
    const queued = !this.#isOpen || this.#firstQueued() !== undefined;
    this.#pending.set(ref, { message, queued });
    if (!queued) this.#send(message);
    return ref;
  }

  /**
   * Removes and returns a post that was accepted.
   * @param {string | null | undefined} ref
   * @returns {Post | undefined}
   */
  accept(ref) {
    this.#resetDeadline();
    return this.remove(ref);
  }

  /**
   * Queues a rejected post to be sent again after `retry_after`. Returns false when the rejection is final.
   * @param {import('./wire.js').Reject} reject
   */
  defer({ ref, code, retry_after: seconds }) {
    const pending = this.#pending.get(ref ?? '');
    if (!pending || typeof seconds !== 'number') return false;
    if (VIEWER_LIMITS.has(code) && !pending.queued) return false; // the viewer is waiting at the field and gets the text back
    if (performance.now() + seconds * 1000 > this.#deadline) return false;
    pending.queued = true;
    if (this.#inFlight === ref) this.#inFlight = '';
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#sendNext();
    }, seconds * 1000 + this.#backoff.next());
    return true;
  }

  /**
   * Removes and returns a post that has a final reply.
   * @param {string | null | undefined} ref
   * @returns {Post | undefined}
   */
  remove(ref) {
    const pending = this.#pending.get(ref ?? '');
    if (!pending) return undefined;
    this.#pending.delete(pending.message.ref);
    if (this.#inFlight === ref) this.#inFlight = '';
    this.#sendNext();
    return pending.message;
  }

  #resetDeadline() {
    this.#deadline = performance.now() + RETRY_FOR_MS;
    this.#backoff.reset();
  }

  #sendNext() {
    const next = this.#firstQueued();
    if (!next || !this.#isOpen || this.#inFlight || this.#timer !== undefined) return;
    this.#inFlight = next.ref;
    this.#send(next);
  }

  #firstQueued() {
    for (const { message, queued } of this.#pending.values()) if (queued) return message;
    return undefined;
  }
}

/** Random, not counted: refs of two tabs of the same user must differ. */
function makeRef() {
  const words = crypto.getRandomValues(new Uint32Array(4));
  return Array.from(words, (word) => word.toString(36)).join('');
}
