/**
 * The server's clock, as far as it can be told from what arrives: the smallest difference seen lately between our clock and
 * the `at` of a comment is the comment that travelled fastest. It asks the server nothing and forgets after two windows, so a
 * clock that was set is believed again within a minute.
 */

const WINDOW_MS = 30_000;

export class ServerClock {
  #current = Infinity;
  #previous = Infinity;
  #windowEnd = -Infinity;

  /** Takes note of a comment that just arrived. @param {number} at the server's stamp @param {number} now our clock, milliseconds */
  observe(at, now) {
    if (now >= this.#windowEnd) {
      this.#previous = now >= this.#windowEnd + WINDOW_MS ? Infinity : this.#current;
      this.#current = Infinity;
      this.#windowEnd = now + WINDOW_MS;
    }
    this.#current = Math.min(this.#current, now - at);
  }

  /** How much our clock is ahead, the fastest way included; 0 while nothing is known. */
  get #ahead() {
    const ahead = Math.min(this.#current, this.#previous);
    return Number.isFinite(ahead) ? ahead : 0;
  }

  /** What our clock shows when a comment of the server's moment `at` can be here. @param {number} at */
  ours(at) {
    return at + this.#ahead;
  }

  /** The server's stamp of a comment that is here at our moment `now`. @param {number} now */
  theirs(now) {
    return now - this.#ahead;
  }
}
