/**
 * The comments that are on the stage: the element, the box and the motion of each, by its seq. A comment that stands for merged
 * ones stays, with the others' count, when it is removed itself. Which comments come is decided elsewhere.
 */

import { CommentElements, sizeOf } from './comment-elements.js';
import { HeldComments } from './held-comments.js';
import { expiresAt } from './lanes.js';
import { MotionLayers } from './motion-layers.js';
import { withoutWhere } from './priority.js';

/** @typedef {import('./priority.js').StageEntry} StageEntry */
/** @typedef {import('./priority.js').Candidate} Candidate */
/** @typedef {import('./lanes.js').Box} Box */
/** @typedef {{element: HTMLElement, candidate: Candidate}} Active */

const CLEANUP_DELAY_MS = 1000; // comments that scrolled out are removed in the next pass, at the latest after this time

export class ActiveComments {
  #lanes;
  #clock;
  #layers;
  /** @type {Map<number, Active>} */
  #active = new Map();

  /** @param {HTMLElement} plane contains the comments @param {import('./lanes.js').Lanes} lanes @param {import('./clock.js').StageClock} clock */
  constructor(plane, lanes, clock) {
    this.#lanes = lanes;
    this.#clock = clock;
    this.#layers = new MotionLayers(plane, clock);
    this.elements = new CommentElements(plane);
    this.held = new HeldComments(lanes, clock, (seq) => this.#mount(seq));
  }

  get size() {
    return this.#active.size;
  }

  /** @param {number} seq */
  get(seq) {
    return this.#active.get(seq);
  }

  /** Puts a comment on the stage. @param {Box} box its place @param {Active} active */
  add(box, active) {
    this.#active.set(box.id, active);
    this.#layers.mount(active.element, box);
  }

  /** Removes what has left the stage. */
  removeExpired() {
    for (const seq of this.#lanes.removeExpired(this.#clock.now())) this.#recycle(seq);
    this.#layers.sweep();
  }

  /**
   * Removes every comment for which `test` is true. Those that were merged into it, or the one they were merged into, stay.
   * @param {(entry: StageEntry) => boolean} test @param {{names: boolean, font: string}} style
   */
  removeWhere(test, style) {
    /** @type {{seq: number, active: Active}[]} */
    const smaller = [];
    for (const [seq, active] of this.#active) {
      const left = withoutWhere(active.candidate, test);
      if (left === active.candidate) continue;
      if (left) {
        active.candidate = left;
        smaller.push({ seq, active });
      } else {
        this.#lanes.remove(seq);
        this.#recycle(seq);
      }
    }
    for (const { active } of smaller) this.elements.fill(active.element, active.candidate, style);
    const resized = smaller.map((change) => ({ ...change, size: sizeOf(change.active.element) }));
    this.held.update((now) => {
      for (const { seq, active, size } of resized) this.#rename(seq, active, size, now);
    });
    for (const { active } of smaller) this.#mount(active.candidate.entry.seq);
    this.#layers.sweep();
  }

  /** Measures the comments again after a font was loaded and removes those that would touch now. Newest first: an older one may need their space. */
  remeasure() {
    this.elements.forgetSizes();
    const sizes = [...this.#active].reverse().map(([seq, { element }]) => ({ seq, ...sizeOf(element) }));
    this.held.update((now) => {
      for (const { seq, ...size } of sizes) this.#grow(seq, size, now);
    });
  }

  /** Call it when the stage's clock stopped or started. */
  followClock() {
    this.#layers.followClock();
    this.held.update();
  }

  /** Milliseconds until a comment has to be removed; Infinity when there is none. */
  msUntilExpiry() {
    let wait = Infinity;
    for (const box of this.#lanes) wait = Math.min(wait, expiresAt(box) + (box.speed > 0 ? CLEANUP_DELAY_MS : 0) - this.#clock.now());
    return wait;
  }

  /** Keeps the box of a comment for another of the same group, which may have another seq and another width. @param {number} seq @param {Active} active @param {import('./comment-elements.js').Size} size @param {number} now */
  #rename(seq, active, size, now) {
    const id = active.candidate.entry.seq;
    const box = this.#lanes.get(seq);
    if (!box) return;
    if (id !== seq) {
      this.#lanes.remove(seq);
      this.#lanes.add(id, box, box.top);
      this.#active.delete(seq);
      this.#active.set(id, active);
    }
    this.#grow(id, size, now);
  }

  /** Gives a comment the space it needs now, or removes it. @param {number} seq @param {import('./comment-elements.js').Size} size @param {number} now */
  #grow(seq, size, now) {
    const box = this.#lanes.get(seq);
    if (!box || (size.width <= box.width && size.height <= box.height)) return;
    if (!this.#lanes.resize(seq, size, now)) this.#recycle(seq);
  }

  /** Moves an element to its box, which will stop or has resumed. @param {number} seq */
  #mount(seq) {
    const active = this.#active.get(seq);
    const box = this.#lanes.get(seq);
    if (active && box) this.#layers.mount(active.element, box);
  }

  /** @param {number} seq */
  #recycle(seq) {
    const active = this.#active.get(seq);
    if (active) this.elements.recycle(active.element);
    this.#active.delete(seq);
  }
}
