/**
 * Currents: the planes that carry comments across the stage, one for each speed.
 *
 * Each main-thread frame restyles every running animation, so what moves is not the comment but the plane it lies on: comments
 * of about the same width share a speed and with it one Web Animation on `transform`, which the compositor runs alone. A
 * comment costs one insertion and one removal; a held one lies on the base, which does not move, until it goes on. It knows
 * where a box is from its path and decides neither places nor speeds.
 */

import { leftAt } from './lanes.js';

/** @typedef {import('./lanes.js').Box} Box */

/**
 * @typedef {object} Current
 * @property {HTMLElement} element
 * @property {Animation} animation
 * @property {number} speed       pixels a millisecond to the left
 * @property {number} startedAt   on the stage's clock, when it lay in its place
 */

const OPEN_FOR = 20_000; // pixels of travel after which new comments get a new current: coordinates stay small
const LONGEST = 200_000; // pixels; no comment stays on a current that long

export class Currents {
  #base;
  #clock;
  /** @type {Set<Current>} */
  #currents = new Set();

  /** @param {HTMLElement} base @param {import('./stage-clock.js').StageClock} clock */
  constructor(base, clock) {
    this.#base = base;
    this.#clock = clock;
  }

  /** Lays an element where its box is: on a current while it moves, on the base while it stands. @param {HTMLElement} element @param {Box} box */
  lay(element, box) {
    const moves = box.speed > 0 && box.stoppedAt === null;
    const current = moves ? this.#current(box.speed) : null;
    const left = leftAt(box, current ? current.startedAt : this.#clock.now());
    const plane = current?.element ?? this.#base;
    element.style.left = `${left}px`;
    element.style.top = `${box.top}px`;
    if (element.parentNode !== plane) plane.append(element);
  }

  /** @param {number} speed @returns {Current} */
  #current(speed) {
    const now = this.#clock.now();
    for (const current of this.#currents) {
      if (current.speed === speed && (now - current.startedAt) * speed < OPEN_FOR) return current;
    }
    const element = document.createElement('div');
    element.className = 'stage-current';
    this.#base.append(element);
    const animation = element.animate([{ transform: 'none' }, { transform: `translateX(${-LONGEST}px)` }], LONGEST / speed);
    const current = { element, animation, speed, startedAt: now };
    this.#currents.add(current);
    this.#move(current);
    return current;
  }

  /** Moves or stands as the stage's clock does. @param {Current} current */
  #move({ animation, startedAt }) {
    if (this.#clock.running) {
      animation.startTime = this.#clock.onTimeline(startedAt); // exact; a start left to the next frame differs between currents
    } else {
      animation.pause();
      animation.currentTime = this.#clock.now() - startedAt;
    }
  }

  /** The stage's clock stopped or runs again. */
  followClock() {
    for (const current of this.#currents) this.#move(current);
  }

  /** Takes away currents that carry nothing, so that an empty stage costs no frame at all. */
  sweep() {
    for (const current of this.#currents) {
      if (current.element.childElementCount > 0) continue;
      current.animation.cancel();
      current.element.remove();
      this.#currents.delete(current);
    }
  }
}
