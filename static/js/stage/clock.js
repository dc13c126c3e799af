/** The stage's clock: runs like the page's, and stands still for as long as anybody has a reason (paused video, hidden tab). */

export class StageClock {
  /** @type {Set<string>} */
  #reasons = new Set();
  #lost = 0;
  #stoodAt = 0;

  get running() {
    return this.#reasons.size === 0;
  }

  /** Milliseconds. */
  now() {
    return (this.running ? performance.now() : this.#stoodAt) - this.#lost;
  }

  /** The moment `time` of this clock on the document's timeline. @param {number} time */
  onTimeline(time) {
    return time + this.#lost;
  }

  /** @param {string} reason @returns {boolean} whether the clock stopped by this */
  stop(reason) {
    const first = this.running;
    if (first) this.#stoodAt = performance.now();
    this.#reasons.add(reason);
    return first;
  }

  /** @param {string} reason @returns {boolean} whether the clock runs again by this */
  start(reason) {
    if (!this.#reasons.delete(reason) || !this.running) return false;
    this.#lost += performance.now() - this.#stoodAt;
    return true;
  }
}
