/**
 * Placement: which lane a comment gets, or none.
 *
 * Scrolling and top comments look from the top down, bottom ones from the bottom up; a scrolling one may also come into sight
 * a little later where that makes it fit. A row full of flying comments never has room for a standing one. So where a standing
 * one finds none near its edge, flying ones keep out of the outermost rows for a while; it waits, and at the end of its
 * patience stands anywhere. Pure: no DOM, no clock.
 */

import { PATIENCE_MS, goesFirst } from './priority.js';
import { LISTED_MOST, canStand, pathOf } from './geometry.js';

/** @typedef {import('./priority.js').Offer} Offer */
/** @typedef {import('./geometry.js').Geometry} Geometry */
/** @typedef {import('./geometry.js').StageSettings} StageSettings */
/** @typedef {{width: number, height: number}} Size */

const STEP_MS = 80;
const LATEST_START_MS = 400; // how far ahead a lane is taken; those who go first may look further
const TYPICAL = { mode: /** @type {const} */ ('scroll'), width: 160, height: 34 };
const KEPT_ROWS_MOST = 4; // at either edge
const EDGE = 1 / 3; // of the height, where standing comments belong
const IMPATIENT_MS = 400;
const KEPT_MS = 15_000;

export class Placement {
  #lanes;
  #kept = { top: { rows: 0, until: 0 }, bottom: { rows: 0, until: 0 } };
  /** @type {Geometry} */
  geometry;
  /** @type {StageSettings} */
  settings;
  /** No flight: every comment stands in a short list at the foot. */
  still = false;

  /** @param {import('./lanes.js').Lanes} lanes @param {Geometry} geometry @param {StageSettings} settings */
  constructor(lanes, geometry, settings) {
    this.#lanes = lanes;
    this.geometry = geometry;
    this.settings = settings;
  }

  /** How many ordinary comments could start at this moment. @param {number} now */
  room(now) {
    return this.#lanes.count(pathOf(TYPICAL, this.geometry, this.settings, now), this.#flyingRows(now), now);
  }

  /**
   * Takes a lane for a comment and returns its box, or null.
   * @param {Offer} offer @param {Size} size
   * @param {number} now
   * @param {{start: number, patience: number}} times milliseconds from now: when it should come into sight, and when at the latest
   */
  place(offer, size, now, { start, patience }) {
    const first = goesFirst(offer);
    const most = this.still ? LISTED_MOST : first ? Infinity : this.settings.maxOnScreen || Infinity;
    if (this.#lanes.size >= most) return null;
    const { mode = 'scroll' } = offer.entry;
    if (this.still) return this.#stand(offer, size, 'listed', this.geometry.whole, now);
    if (mode !== 'scroll' && canStand(size.width, this.geometry)) {
      const box = this.#stand(offer, size, mode, this.#edge(mode), now);
      if (box || patience > IMPATIENT_MS) return box;
      this.#keepRow(mode, now);
      const anywhere = this.#stand(offer, size, mode, mode === 'top' ? this.geometry.upper : this.geometry.whole, now);
      if (anywhere || !first) return anywhere;
    }
    return this.#fly(offer, size, now, start, Math.min(patience, first ? PATIENCE_MS : LATEST_START_MS));
  }

  /** @param {'top' | 'bottom'} side */
  #edge(side) {
    const { upper, whole } = this.geometry;
    const depth = (whole.bottom - whole.top) * EDGE;
    if (side === 'bottom') return { top: whole.bottom - depth, bottom: whole.bottom };
    return { top: upper.top, bottom: Math.min(upper.top + depth, upper.bottom) };
  }

  /** @param {Offer} offer @param {Size} size @param {'top' | 'bottom' | 'listed'} mode @param {import('./lanes.js').Rows} rows @param {number} now */
  #stand(offer, size, mode, rows, now) {
    const path = pathOf({ mode, ...size }, this.geometry, this.settings, now);
    const top = this.#lanes.find(path, rows, now, mode === 'top' ? 'top' : 'bottom');
    return top === null ? null : this.#lanes.take(offer.entry.seq, path, top);
  }

  /** @param {Offer} offer @param {Size} size @param {number} now @param {number} start @param {number} latest */
  #fly(offer, size, now, start, latest) {
    const rows = this.#flyingRows(now);
    for (let delay = Math.max(0, Math.min(start, latest)); delay <= latest; delay += STEP_MS) {
      const path = pathOf({ mode: 'scroll', ...size }, this.geometry, this.settings, now, delay);
      const top = this.#lanes.find(path, rows, now);
      if (top !== null) return this.#lanes.take(offer.entry.seq, path, top);
    }
    return null;
  }

  /** @param {'top' | 'bottom'} side @param {number} now */
  #keepRow(side, now) {
    const kept = this.#kept[side];
    kept.rows = now < kept.until ? Math.min(kept.rows + 1, KEPT_ROWS_MOST) : 1;
    kept.until = now + KEPT_MS;
  }

  /** The rows for flying, without those kept for standing ones. @param {number} now */
  #flyingRows(now) {
    const { upper, whole } = this.geometry;
    const depth = (whole.bottom - whole.top) * EDGE;
    const keep = (/** @type {{rows: number, until: number}} */ { rows, until }) =>
      now < until ? Math.min(rows * TYPICAL.height, depth) : 0;
    return { top: upper.top + keep(this.#kept.top), bottom: Math.min(upper.bottom, whole.bottom - keep(this.#kept.bottom)) };
  }
}
