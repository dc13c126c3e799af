/**
 * Holds: comments that stand still because somebody points at them or has their menu open, and those behind them, which fly
 * on until they would touch and then wait. All go on together, so the distances they started with come back by themselves.
 * Works on the stage's clock, and knows neither elements nor pointers.
 */

/** @typedef {import('./lanes.js').Lanes} Lanes */

const EARLY_MS = 40; // a timer may be late by this much before two comments could touch

export class Holds {
  #lanes;
  #clock;
  #changed;
  /** @type {Set<number>} */
  #held = new Set();
  /** @type {Map<number, number>} */
  #due = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {Lanes} lanes
   * @param {{now: () => number, running: boolean}} clock the stage's
   * @param {(id: number) => void} changed called when a box stopped or goes on
   */
  constructor(lanes, clock, changed) {
    this.#lanes = lanes;
    this.#clock = clock;
    this.#changed = changed;
  }

  /** @param {number} id */
  has(id) {
    return this.#held.has(id);
  }

  /** @param {number} id */
  add(id) {
    if (!this.#lanes.get(id) || this.#held.has(id)) return;
    this.#held.add(id);
    this.update();
  }

  /** @param {number} id */
  delete(id) {
    if (this.#held.delete(id)) this.update();
  }

  clear() {
    if (this.#held.size === 0) return;
    this.#held.clear();
    this.update();
  }

  /** Works out anew who must stand still, and when; called whenever a comment came, went, or the clock started. */
  update() {
    clearTimeout(this.#timer);
    const now = this.#clock.now();
    for (const id of this.#held) if (!this.#lanes.get(id)) this.#held.delete(id);
    this.#due = this.#lanes.standstill(this.#held, now);
    for (const [id, time] of this.#due) if (!this.#held.has(id)) this.#due.set(id, time - EARLY_MS);
    for (const box of this.#lanes) {
      if (box.stoppedAt === null || (this.#due.get(box.id) ?? Infinity) <= now) continue;
      this.#lanes.resume(box.id, now);
      this.#changed(box.id);
    }
    this.#stopDue();
  }

  /** Stops those whose time has come, and waits for the next. */
  #stopDue() {
    const now = this.#clock.now();
    let next = Infinity;
    for (const [id, time] of this.#due) {
      if (time > now) {
        next = Math.min(next, time);
        continue;
      }
      this.#due.delete(id);
      if (this.#lanes.get(id)?.stoppedAt !== null) continue;
      this.#lanes.stop(id, now);
      this.#changed(id);
    }
    if (Number.isFinite(next) && this.#clock.running) this.#timer = setTimeout(() => this.#stopDue(), next - now);
  }
}
