/**
 * The page's clock, and the stage's: it runs like the page's, and stops while at least one reason is set (the video stands, the
 * tab is hidden).
 */

/** This page's clock in Unix milliseconds, monotonic. */
export const unixNow = () => performance.timeOrigin + performance.now();

export class StageClock {
  /** @type {Set<string>} */
  #reasons = new Set();
  #stoppedMs = 0;
  #stoppedAt = 0;

  get running() {
    return this.#reasons.size === 0;
  }

  /** Milliseconds. */
  now() {
    return (this.running ? performance.now() : this.#stoppedAt) - this.#stoppedMs;
  }

  /** Converts a time of this clock to the document's timeline. @param {number} time */
  toTimeline(time) {
    return time + this.#stoppedMs;
  }

  /** @param {string} reason @returns {boolean} whether this call stopped the clock */
  stop(reason) {
    const wasRunning = this.running;
    if (wasRunning) this.#stoppedAt = performance.now();
    this.#reasons.add(reason);
    return wasRunning;
  }

  /** @param {string} reason @returns {boolean} whether this call started the clock again */
  start(reason) {
    if (!this.#reasons.delete(reason) || !this.running) return false;
    this.#stoppedMs += performance.now() - this.#stoppedAt;
    return true;
  }
}
