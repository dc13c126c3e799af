/**
 * Motion layers: elements that carry comments across the stage, one for each speed.
 *
 * Each main-thread frame restyles every running animation, so it is not the comment that is animated but the layer it lies on:
 * comments of about the same width share a speed, and with it one Web Animation on `transform`, which the compositor runs
 * alone. A comment costs one insertion and one removal. Fixed and held comments lie on the base element, which does not move.
 * What happens there at a later time (a fixed comment disappears, a comment stops) is an animation too, so that it happens on
 * time however busy the page is. Where a comment is follows from the path of its box; places and speeds are decided elsewhere.
 */

import { leftAt } from './lanes.js';

/** @typedef {import('./lanes.js').Box} Box */

/** @typedef {{animation: Animation, startedAt: number}} Timed an animation and when it began, on the stage's clock */
/** @typedef {Timed & {element: HTMLElement, speed: number}} Layer speed in pixels a millisecond to the left */

const MAX_OFFSET_PX = 20_000; // after this travel new comments get a new layer, which keeps coordinates small
const LAYER_TRAVEL_PX = 200_000; // no comment stays on a layer that long
const OFFSCREEN = 'translateX(-100000px)';

export class MotionLayers {
  #base;
  #clock;
  /** @type {Set<Layer>} */
  #layers = new Set();
  /** @type {Map<HTMLElement, Timed>} animations of single elements on the base */
  #scheduled = new Map();

  /** @param {HTMLElement} base @param {import('./clock.js').StageClock} clock */
  constructor(base, clock) {
    this.#base = base;
    this.#clock = clock;
  }

  /** Puts an element where its box is: on a layer, or on the base when it is fixed or will stop. @param {HTMLElement} element @param {Box} box */
  mount(element, box) {
    const now = this.#clock.now();
    const layer = box.speed > 0 && box.stoppedAt === null ? this.#layerFor(box.speed, now) : null;
    const parent = layer?.element ?? this.#base;
    element.style.left = `${leftAt(box, layer?.startedAt ?? now)}px`;
    element.style.top = `${box.top}px`;
    if (element.parentNode !== parent) parent.append(element);
    this.#schedule(element, box, now);
  }

  /** @param {HTMLElement} element @param {Box} box @param {number} now */
  #schedule(element, box, now) {
    this.#scheduled.get(element)?.animation.cancel();
    this.#scheduled.delete(element);
    const stops = box.stoppedAt !== null;
    if (stops ? box.speed === 0 : box.speed > 0) return;
    const duration = Math.max(0, (box.stoppedAt ?? box.until) - now);
    const animation = stops
      ? element.animate([{ transform: 'none' }, { transform: `translateX(${-box.speed * duration}px)` }], { duration, fill: 'forwards' })
      : element.animate([{ transform: 'none', easing: 'step-end' }, { transform: OFFSCREEN }], { duration, fill: 'forwards' });
    const timed = { animation, startedAt: now };
    this.#scheduled.set(element, timed);
    this.#synchronize(timed);
  }

  /** @param {number} speed @param {number} now @returns {Layer} */
  #layerFor(speed, now) {
    for (const layer of this.#layers) {
      if (layer.speed === speed && (now - layer.startedAt) * speed < MAX_OFFSET_PX) return layer;
    }
    const element = document.createElement('div');
    element.className = 'stage-layer';
    this.#base.append(element);
    const animation = element.animate([{ transform: 'none' }, { transform: `translateX(${-LAYER_TRAVEL_PX}px)` }], LAYER_TRAVEL_PX / speed);
    const layer = { element, animation, speed, startedAt: now };
    this.#layers.add(layer);
    this.#synchronize(layer);
    return layer;
  }

  /** Sets an animation to the stage's clock. @param {Timed} timed */
  #synchronize({ animation, startedAt }) {
    if (this.#clock.running) {
      animation.startTime = this.#clock.toTimeline(startedAt); // exact; left to the next frame, it would differ between layers
    } else {
      animation.pause();
      animation.currentTime = this.#clock.now() - startedAt;
    }
  }

  /** Call it when the stage's clock stopped or started. */
  followClock() {
    for (const timed of [...this.#layers, ...this.#scheduled.values()]) this.#synchronize(timed);
  }

  /** Removes empty layers and the animations of elements that were removed: an empty stage causes no frames. */
  sweep() {
    for (const [element, { animation }] of this.#scheduled) {
      if (element.isConnected) continue;
      animation.cancel();
      this.#scheduled.delete(element);
    }
    for (const layer of this.#layers) {
      if (layer.element.childElementCount > 0) continue;
      layer.animation.cancel();
      layer.element.remove();
      this.#layers.delete(layer);
    }
  }
}
