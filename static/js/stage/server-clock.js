/**
 * Estimates the server's clock from what arrives: the smallest difference seen lately between this page's clock and the `at` of
 * a comment belongs to the comment that travelled fastest. It sends no requests. An estimate is kept for at most two windows,
 * so that after a clock was set the new time is used within a minute.
 */

const WINDOW_MS = 30_000;

export class ServerClock {
  #current = Infinity;
  #previous = Infinity;
  #windowEnd = -Infinity;

  /** Records a comment that just arrived. @param {number} at the server's stamp @param {number} now this page's clock, milliseconds */
  observe(at, now) {
    if (now >= this.#windowEnd) {
      this.#previous = now >= this.#windowEnd + WINDOW_MS ? Infinity : this.#current;
      this.#current = Infinity;
      this.#windowEnd = now + WINDOW_MS;
    }
    this.#current = Math.min(this.#current, now - at);
  }

  /** Milliseconds that this page's clock is ahead, the shortest transmission included; 0 until something has arrived. */
  get #aheadMs() {
    const ahead = Math.min(this.#current, this.#previous);
    return Number.isFinite(ahead) ? ahead : 0;
  }

  /** This page's time at which a comment with the server's stamp `at` can have arrived. @param {number} at */
  toLocalTime(at) {
    return at + this.#aheadMs;
  }

  /** The server's stamp of a comment that arrives at this page's time `now`. @param {number} now */
  toServerTime(now) {
    return now - this.#aheadMs;
  }
}
