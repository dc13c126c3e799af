/**
 * Holds: comments that stand still because somebody points at them or has their menu open, and those behind them, which fly
 * on until they come close and then wait. All go on together, so the distances they started with come back by themselves.
 * When each one has to stop is worked out at once and ahead, so no timer has to be in time. It knows neither elements nor
 * pointers.
 */

import { leavesAt } from './lanes.js';

export class Holds {
  #lanes;
  #clock;
  #changed;
  /** @type {Set<number>} */
  #held = new Set();

  /**
   * @param {import('./lanes.js').Lanes} lanes
   * @param {{now: () => number}} clock the stage's
   * @param {(id: number) => void} changed called when a box got or lost the moment at which it stops
   */
  constructor(lanes, clock, changed) {
    this.#lanes = lanes;
    this.#clock = clock;
    this.#changed = changed;
  }

  /** One whose time is over is gone already, and others may fly where it was. @param {number} id */
  add(id) {
    const box = this.#lanes.get(id);
    if (!box || leavesAt(box) <= this.#clock.now() || this.#held.has(id)) return;
    this.#held.add(id);
    this.update();
  }

  /** @param {number} id */
  delete(id) {
    if (this.#held.delete(id)) this.update();
  }

  /**
   * Works out anew who stops and when; to be called when a comment was taken away. `change` may take away more, and change
   * boxes: none is stopped while it runs.
   * @param {(now: number) => void} [change]
   */
  update(change) {
    const now = this.#clock.now();
    const stopped = new Set();
    for (const box of this.#lanes) {
      if (box.stoppedAt === null) continue;
      stopped.add(box.id);
      this.#lanes.resume(box.id, now); // what is worked out next needs the paths as they are by now, the time they stood included
    }
    change?.(now);
    for (const id of this.#held) if (!this.#lanes.get(id)) this.#held.delete(id);
    const times = this.#lanes.standstill(this.#held, now);
    for (const { id } of this.#lanes) {
      const time = times.get(id);
      if (time === undefined && !stopped.has(id)) continue;
      if (time !== undefined) this.#lanes.stop(id, time);
      this.#changed(id);
    }
  }
}
