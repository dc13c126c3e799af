/**
 * Currents: the planes that carry comments across the stage, one for each speed.
 *
 * Each main-thread frame restyles every running animation, so what moves is not the comment but the plane it lies on: comments
 * of about the same width share a speed and with it one Web Animation on `transform`, which the compositor runs alone. A
 * comment costs one insertion and one removal. One that is held up lies on the base, which does not move, until it goes on. It
 * knows where a box is from its path and decides neither places nor speeds.
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
  /** @type {WeakMap<HTMLElement, Animation>} */
  #halting = new WeakMap();

  /** @param {HTMLElement} base @param {import('./stage-clock.js').StageClock} clock */
  constructor(base, clock) {
    this.#base = base;
    this.#clock = clock;
  }

  /** Lays an element where its box is: on a current, or on the base when it stands or is to stop. @param {HTMLElement} element @param {Box} box */
  lay(element, box) {
    const now = this.#clock.now();
    const current = box.speed > 0 && box.stoppedAt === null ? this.#current(box.speed, now) : null;
    const plane = current?.element ?? this.#base;
    element.style.left = `${leftAt(box, current?.startedAt ?? now)}px`;
    element.style.top = `${box.top}px`;
    if (element.parentNode !== plane) plane.append(element);
    this.#halt(element, box, now);
  }

  /** Lets an element on the base drift to where it is to stop. @param {HTMLElement} element @param {Box} box @param {number} now */
  #halt(element, box, now) {
    this.#halting.get(element)?.cancel();
    this.#halting.delete(element);
    const left = box.stoppedAt === null ? 0 : box.stoppedAt - now;
    if (left <= 0 || box.speed === 0 || !this.#clock.running) return;
    const animation = element.animate([{ transform: 'none' }, { transform: `translateX(${-box.speed * left}px)` }], { duration: left, fill: 'forwards' });
    animation.startTime = this.#clock.onTimeline(now);
    this.#halting.set(element, animation);
  }

  /** @param {number} speed @param {number} now @returns {Current} */
  #current(speed, now) {
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
