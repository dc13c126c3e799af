/**
 * What was said and is not yet known to be kept. A post stays here until an answer names its ref, so that it can be sent
 * again after a reconnect; the server knows a ref it has seen, and shows it once.
 */

/** @typedef {import('./wire.js').Post} Post */
/** @typedef {import('./wire.js').PostMessage} PostMessage */

export class Outbox {
  static LIMIT = 32;

  /** @type {Map<string, PostMessage>} */
  #waiting = new Map();

  get size() {
    return this.#waiting.size;
  }

  /**
   * Keeps a post under a new ref; null when too many wait already.
   * @param {Post} post
   * @returns {PostMessage | null}
   */
  add(post) {
    if (this.#waiting.size >= Outbox.LIMIT) return null;
    /** @type {PostMessage} */
    const message = { type: 'post', ref: makeRef(), ...post };
    this.#waiting.set(message.ref, message);
    return message;
  }

  /**
   * Lets go of the post that an answer names, and returns it.
   * @param {string | null | undefined} ref
   * @returns {PostMessage | undefined}
   */
  settle(ref) {
    const message = this.#waiting.get(ref ?? '');
    if (message) this.#waiting.delete(message.ref);
    return message;
  }

  /** What waits, in the order it was said. */
  [Symbol.iterator]() {
    return this.#waiting.values();
  }
}

/** Random, not counted: two tabs of one user must not say two things under one ref. */
function makeRef() {
  const words = crypto.getRandomValues(new Uint32Array(4));
  return Array.from(words, (word) => word.toString(36)).join('');
}
