/**
 * Currents: the planes that carry comments across the stage, one for each speed.
 *
 * Each main-thread frame restyles every running animation, so what moves is not the comment but the plane it lies on: comments
 * of about the same width share a speed and with it one Web Animation on `transform`, which the compositor runs alone. A
 * comment costs one insertion and one removal. Standing ones lie on the base, which does not move; so do those that are held
 * up, until they go on. What happens there at a moment to come (a standing comment leaves, another one stops) is an animation
 * too, so that it happens in time however busy the page is. It knows where a box is from its path and decides neither places
 * nor speeds.
 */

import { leftAt } from './lanes.js';

/** @typedef {import('./lanes.js').Box} Box */

/** @typedef {{animation: Animation, startedAt: number}} Timed an animation and when it began, on the stage's clock */
/** @typedef {Timed & {element: HTMLElement, speed: number}} Current speed in pixels a millisecond to the left */

const OPEN_FOR = 20_000; // pixels of travel after which new comments get a new current: coordinates stay small
const LONGEST = 200_000; // pixels; no comment stays on a current that long
const AWAY = 'translateX(-100000px)';

export class Currents {
  #base;
  #clock;
  /** @type {Set<Current>} */
  #currents = new Set();
  /** @type {Map<HTMLElement, Timed>} what elements on the base are going to do */
  #plans = new Map();

  /** @param {HTMLElement} base @param {import('./clock.js').StageClock} clock */
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
    this.#plan(element, box, now);
  }

  /** @param {HTMLElement} element @param {Box} box @param {number} now */
  #plan(element, box, now) {
    this.#plans.get(element)?.animation.cancel();
    this.#plans.delete(element);
    const stops = box.stoppedAt !== null;
    if (stops ? box.speed === 0 : box.speed > 0) return;
    const duration = Math.max(0, (box.stoppedAt ?? box.until) - now);
    const animation = stops
      ? element.animate([{ transform: 'none' }, { transform: `translateX(${-box.speed * duration}px)` }], { duration, fill: 'forwards' })
      : element.animate([{ transform: 'none', easing: 'step-end' }, { transform: AWAY }], { duration, fill: 'forwards' });
    const plan = { animation, startedAt: now };
    this.#plans.set(element, plan);
    this.#keepTime(plan);
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
    this.#keepTime(current);
    return current;
  }

  /** Runs or stands as the stage's clock does. @param {Timed} timed */
  #keepTime({ animation, startedAt }) {
    if (this.#clock.running) {
      animation.startTime = this.#clock.onTimeline(startedAt); // exact; a start left to the next frame differs between currents
    } else {
      animation.pause();
      animation.currentTime = this.#clock.now() - startedAt;
    }
  }

  /** The stage's clock stopped or runs again. */
  followClock() {
    for (const timed of [...this.#currents, ...this.#plans.values()]) this.#keepTime(timed);
  }

  /** Lets go of currents that carry nothing and of what concerned elements that left: an empty stage costs no frame at all. */
  sweep() {
    for (const [element, { animation }] of this.#plans) {
      if (element.isConnected) continue;
      animation.cancel();
      this.#plans.delete(element);
    }
    for (const current of this.#currents) {
      if (current.element.childElementCount > 0) continue;
      current.animation.cancel();
      current.element.remove();
      this.#currents.delete(current);
    }
  }
}
