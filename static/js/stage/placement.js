/**
 * Placement: which lane a comment gets, or none.
 *
 * Scrolling and top comments search from the top down, bottom ones from the bottom up; a scrolling comment may also enter a
 * little later when it then fits. A lane full of scrolling comments never has space for a fixed one. So when a fixed comment
 * finds no lane near its edge, scrolling comments keep out of the outermost lanes for a while; the fixed one waits, and shortly
 * before it expires takes any lane. Fixed comments take at most a third of the height, so that a small stage has lanes left for
 * the others; beyond that they scroll. Pure: no DOM, no clock.
 */

import { MAX_LISTED, fitsFixed, pathOf } from './geometry.js';
import { expiresAt } from './lanes.js';
import { MAX_WAIT_MS, hasPriority } from './priority.js';

/** @typedef {import('./priority.js').Candidate} Candidate */
/** @typedef {import('./geometry.js').Geometry} Geometry */
/** @typedef {import('./geometry.js').StageSettings} StageSettings */
/** @typedef {import('./lanes.js').Band} Band */
/** @typedef {{width: number, height: number}} Size */

const STEP_MS = 80;
const MAX_START_MS = 400; // how far ahead a lane is taken; comments with priority may look further
const TYPICAL = { mode: /** @type {const} */ ('scroll'), width: 160, height: 34 };
const EDGE_SHARE = 1 / 3; // of the height, where fixed comments are placed first
const ANY_LANE_MS = 400; // a fixed comment that expires sooner than this takes any lane
const FIXED_SHARE = 1 / 3; // of the height, for all fixed comments that have no priority
const MAX_RESERVED_LANES = 4; // at either edge
const RESERVED_MS = 15_000;

export class Placement {
  #lanes;
  #reserved = { top: { lanes: 0, until: 0 }, bottom: { lanes: 0, until: 0 } };
  /** @type {Geometry} */
  geometry;
  /** @type {StageSettings} */
  settings;
  /** No scrolling: every comment is shown in a short list at the bottom. */
  still = false;

  /** @param {import('./lanes.js').Lanes} lanes @param {Geometry} geometry @param {StageSettings} settings */
  constructor(lanes, geometry, settings) {
    this.#lanes = lanes;
    this.geometry = geometry;
    this.settings = settings;
  }

  /** How many comments of ordinary size could start now. @param {number} now */
  freeLanes(now) {
    return this.#lanes.count(pathOf(TYPICAL, this.geometry, this.settings, now), this.#scrollBand(now), now);
  }

  /**
   * Takes a lane for a comment and returns its box, or null.
   * @param {Candidate} candidate @param {Size} size
   * @param {number} now
   * @param {{start: number, latest: number}} times milliseconds from now: when it should come into sight, and when at the latest
   */
  place(candidate, size, now, { start, latest }) {
    const priority = hasPriority(candidate);
    const limit = this.still ? MAX_LISTED : priority ? Infinity : this.settings.maxOnScreen || Infinity;
    if (this.#lanes.size >= limit) return null;
    const { mode = 'scroll' } = candidate.entry;
    if (this.still) return this.#placeFixed(candidate, size, 'listed', this.geometry.whole, now);
    if (mode !== 'scroll' && fitsFixed(size.width, this.geometry) && (priority || this.#hasSpaceForFixed(size, now))) {
      const box = this.#placeFixed(candidate, size, mode, this.#edgeBand(mode), now);
      if (box || latest > ANY_LANE_MS) return box;
      this.#reserveLane(mode, now);
      const anywhere = this.#placeFixed(candidate, size, mode, mode === 'top' ? this.geometry.upper : this.geometry.whole, now);
      if (anywhere || !priority) return anywhere;
    }
    return this.#placeScrolling(candidate, size, now, start, Math.min(latest, priority ? MAX_WAIT_MS : MAX_START_MS));
  }

  /** @param {Size} size @param {number} now */
  #hasSpaceForFixed({ height }, now) {
    let taken = 0;
    for (const box of this.#lanes) if (box.speed === 0 && expiresAt(box) > now) taken += box.height;
    return taken === 0 || taken + height <= this.#height * FIXED_SHARE;
  }

  get #height() {
    const { top, bottom } = this.geometry.whole;
    return bottom - top;
  }

  /** @param {'top' | 'bottom'} side */
  #edgeBand(side) {
    const { upper, whole } = this.geometry;
    const depth = this.#height * EDGE_SHARE;
    if (side === 'bottom') return { top: whole.bottom - depth, bottom: whole.bottom };
    return { top: upper.top, bottom: Math.min(upper.top + depth, upper.bottom) };
  }

  /** @param {Candidate} candidate @param {Size} size @param {'top' | 'bottom' | 'listed'} mode @param {Band} band @param {number} now */
  #placeFixed(candidate, size, mode, band, now) {
    const path = pathOf({ mode, ...size }, this.geometry, this.settings, now);
    const top = this.#lanes.find(path, band, now, mode === 'top' ? 'top' : 'bottom');
    return top === null ? null : this.#lanes.add(candidate.entry.seq, path, top);
  }

  /** @param {Candidate} candidate @param {Size} size @param {number} now @param {number} start @param {number} latest */
  #placeScrolling(candidate, size, now, start, latest) {
    const band = this.#scrollBand(now);
    for (let delay = Math.max(0, Math.min(start, latest)); delay <= latest; delay += STEP_MS) {
      const path = pathOf({ mode: 'scroll', ...size }, this.geometry, this.settings, now, delay);
      const top = this.#lanes.find(path, band, now);
      if (top !== null) return this.#lanes.add(candidate.entry.seq, path, top);
    }
    return null;
  }

  /** @param {'top' | 'bottom'} side @param {number} now */
  #reserveLane(side, now) {
    const reserved = this.#reserved[side];
    reserved.lanes = now < reserved.until ? Math.min(reserved.lanes + 1, MAX_RESERVED_LANES) : 1;
    reserved.until = now + RESERVED_MS;
  }

  /** Where comments scroll: the upper area without the lanes reserved for fixed comments. @param {number} now */
  #scrollBand(now) {
    const { upper, whole } = this.geometry;
    const depth = (this.#height * FIXED_SHARE) / 2; // each edge has half of it
    const reserved = (/** @type {{lanes: number, until: number}} */ { lanes, until }) =>
      now < until ? Math.min(lanes * TYPICAL.height, depth) : 0;
    return { top: upper.top + reserved(this.#reserved.top), bottom: Math.min(upper.bottom, whole.bottom - reserved(this.#reserved.bottom)) };
  }
}
