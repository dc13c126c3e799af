/**
 * Comments that are stopped because the pointer is over them or their menu is open, and the comments behind them, which move on
 * until they would touch and then stop too. All resume together, so that their distances are what they were at the start.
 * When each comment has to stop is computed ahead, so that no timer has to fire on time. It knows neither elements nor pointers.
 */

import { expiresAt } from './lanes.js';

export class HeldComments {
  #lanes;
  #clock;
  #onChange;
  /** @type {Set<number>} */
  #held = new Set();

  /**
   * @param {import('./lanes.js').Lanes} lanes
   * @param {{now: () => number}} clock the stage's
   * @param {(id: number) => void} onChange called when the time at which a box stops was set or removed
   */
  constructor(lanes, clock, onChange) {
    this.#lanes = lanes;
    this.#clock = clock;
    this.#onChange = onChange;
  }

  /** Stops a box. An expired one stays as it is: its space may have been given away already. @param {number} id */
  add(id) {
    const box = this.#lanes.get(id);
    if (!box || expiresAt(box) <= this.#clock.now() || this.#held.has(id)) return;
    this.#held.add(id);
    this.update();
  }

  /** @param {number} id */
  delete(id) {
    if (this.#held.delete(id)) this.update();
  }

  /**
   * Computes again which boxes stop and when; call it after a box was removed. `change` may remove and resize boxes: none of
   * them is stopped while it runs.
   * @param {(now: number) => void} [change]
   */
  update(change) {
    const now = this.#clock.now();
    const stopped = new Set();
    for (const box of this.#lanes) {
      if (box.stoppedAt === null) continue;
      stopped.add(box.id);
      this.#lanes.resume(box.id, now); // the stop times are computed from the current paths, the time stopped so far included
    }
    change?.(now);
    for (const id of this.#held) if (!this.#lanes.get(id)) this.#held.delete(id);
    const times = this.#lanes.stopTimes(this.#held, now);
    for (const { id } of this.#lanes) {
      const time = times.get(id);
      if (time === undefined && !stopped.has(id)) continue;
      if (time !== undefined) this.#lanes.stop(id, time);
      this.#onChange(id);
    }
  }
}
