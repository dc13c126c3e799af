/**
 * Lanes: where a comment can be placed so that it never touches another one.
 *
 * A comment is a box that moves left in a straight line at a constant speed (0 for a fixed one) from one time to another. Two
 * boxes that overlap vertically never touch if they are apart at both ends of the time they share, since the distance between
 * two straight lines has no minimum in between. For two scrolling boxes that cross in the same time D this is the known rule
 * Δt ≥ D·max(w₁,w₂)/(W+max(w₁,w₂)); the general form also holds for any mix of sizes, speeds and stage widths. A resize changes
 * only the paths of later comments, so it cannot make two comments touch.
 *
 * Lanes are intervals of pixels, not numbered slots: a large comment takes the height that it needs. Pure: no DOM, no clock;
 * times are milliseconds on whatever clock the caller uses, lengths are pixels.
 */

/**
 * @typedef {object} Path the position of a box and how it moves
 * @property {number} left    left edge at the time `from`
 * @property {number} width
 * @property {number} height
 * @property {number} speed   pixels a millisecond to the left; 0 is fixed
 * @property {number} from
 * @property {number} until   when it has left the stage and its lane is free
 * @property {number} gap     minimum distance on both sides
 */

/**
 * @typedef {Path & {id: number, top: number, stoppedAt: number | null}} Box a path with its vertical position, and the time at which it stops, if it is or will be stopped
 */

/** @typedef {{top: number, bottom: number}} Band a vertical interval */

const ROUNDING = 0.01;

/** When a box has to be removed from the stage. @param {Box} box */
export function expiresAt(box) {
  return box.stoppedAt === null ? box.until : Infinity;
}

/** The left edge of a box at a time. @param {Path & {stoppedAt?: number | null}} box @param {number} now */
export function leftAt(box, now) {
  return box.left - box.speed * (Math.min(now, box.stoppedAt ?? Infinity) - box.from);
}

/**
 * Whether two boxes stay apart horizontally from `now` until one of them has left the stage.
 * @param {Path} one @param {Path} other @param {number} now
 */
export function staysClear(one, other, now) {
  const end = Math.min(one.until, other.until);
  if (end <= now) return true;
  const before = leftAt(other, now) - leftAt(one, now);
  const after = leftAt(other, end) - leftAt(one, end);
  const gap = Math.min(one.gap, other.gap) - ROUNDING;
  return (before >= one.width + gap && after >= one.width + gap) || (-before >= other.width + gap && -after >= other.width + gap);
}

/**
 * How long `ahead` may be stopped from `now` on before `behind` must stop too, if both resume together afterwards and are to
 * stay apart.
 * @param {Box} ahead @param {Box} behind @param {number} now
 */
function maxStop(ahead, behind, now) {
  if (behind.speed === 0) return Infinity;
  const gap = Math.min(ahead.gap, behind.gap);
  const tail = leftAt(ahead, now) + ahead.width;
  const head = leftAt(behind, now) - gap;
  const untilClose = (head - tail) / behind.speed;
  if (ahead.speed === 0) return Math.max(0, untilClose - (ahead.until - now));
  const untilExit = tail / ahead.speed;
  return Math.max(0, Math.min(untilClose, head / behind.speed - untilExit));
}

export class Lanes {
  /** @type {Map<number, Box>} */
  #boxes = new Map();

  get size() {
    return this.#boxes.size;
  }

  /** @param {number} id */
  get(id) {
    return this.#boxes.get(id);
  }

  [Symbol.iterator]() {
    return this.#boxes.values();
  }

  /**
   * The free intervals within `band` for a box on this path, from the top down. The interval of a stopped box is not free,
   * since the time at which it resumes is unknown.
   * @param {Path} path @param {Band} band @param {number} now
   */
  #free(path, band, now) {
    const blocked = [];
    for (const box of this.#boxes.values()) {
      if (box.stoppedAt !== null || !staysClear(box, path, now)) blocked.push(box);
    }
    blocked.sort((one, other) => one.top - other.top);
    /** @type {Band[]} */
    const free = [];
    let top = band.top;
    for (const box of blocked) {
      if (box.top >= band.bottom) break;
      if (box.top - top >= path.height) free.push({ top, bottom: box.top });
      top = Math.max(top, box.top + box.height);
    }
    if (band.bottom - top >= path.height) free.push({ top, bottom: band.bottom });
    return free;
  }

  /**
   * The top of the first free lane for a box on this path, or null. From the top down, or from the bottom up.
   * @param {Path} path @param {Band} band @param {number} now @param {'top' | 'bottom'} [side]
   * @returns {number | null}
   */
  find(path, band, now, side = 'top') {
    const free = this.#free(path, band, now);
    if (free.length === 0) return null;
    return side === 'top' ? free[0].top : free[free.length - 1].bottom - path.height;
  }

  /** How many boxes on this path could start one below the other. @param {Path} path @param {Band} band @param {number} now */
  count(path, band, now) {
    return this.#free(path, band, now).reduce((sum, { top, bottom }) => sum + Math.floor((bottom - top) / path.height), 0);
  }

  /** Places a box in the lane that `find` returned. @param {number} id @param {Path} path @param {number} top */
  add(id, path, top) {
    const box = { ...path, id, top, stoppedAt: null };
    this.#boxes.set(id, box);
    return box;
  }

  /** @param {number} id */
  remove(id) {
    this.#boxes.delete(id);
  }

  /**
   * Resizes a box that is not stopped, in place. A box that does not fit in its new size is removed.
   * @param {number} id @param {{width: number, height: number}} size @param {number} now
   * @returns {boolean} whether it fits
   */
  resize(id, { width, height }, now) {
    const box = this.#boxes.get(id);
    if (!box) return false;
    this.#boxes.delete(id);
    const until = box.until + (box.speed > 0 ? (width - box.width) / box.speed : 0);
    const path = { ...box, width, height, until };
    const fits = this.find(path, { top: box.top, bottom: box.top + height }, now) !== null;
    if (fits) this.add(id, path, box.top);
    return fits;
  }

  /** Removes every box that has left the stage, and returns their ids. @param {number} now */
  removeExpired(now) {
    const expired = [];
    for (const box of this.#boxes.values()) {
      if (expiresAt(box) <= now) expired.push(box.id);
    }
    for (const id of expired) this.#boxes.delete(id);
    return expired;
  }

  /** Stops a box from the time `at` on, which may be in the future. @param {number} id @param {number} at */
  stop(id, at) {
    const box = this.#boxes.get(id);
    if (box && box.stoppedAt === null) box.stoppedAt = at;
  }

  /** Lets a box move on; its path is delayed by the time it was stopped. @param {number} id @param {number} now */
  resume(id, now) {
    const box = this.#boxes.get(id);
    if (!box || box.stoppedAt === null) return;
    const stoppedMs = Math.max(0, now - box.stoppedAt);
    box.from += stoppedMs;
    box.until += stoppedMs;
    box.stoppedAt = null;
  }

  /**
   * The latest time at which each box must stop while the `held` ones are stopped: the held ones now, and each one behind them
   * when it would come too close. If all resume together, at any time, none will ever touch. Boxes that are not named need not stop.
   * @param {Iterable<number>} held @param {number} now
   * @returns {Map<number, number>} id -> time
   */
  stopTimes(held, now) {
    /** @type {Map<number, number>} */
    const times = new Map();
    const open = [];
    for (const id of held) {
      const box = this.#boxes.get(id);
      if (!box) continue;
      times.set(id, now);
      open.push(box);
    }
    for (let ahead = open.pop(); ahead; ahead = open.pop()) {
      const start = /** @type {number} */ (times.get(ahead.id));
      const left = leftAt(ahead, now);
      for (const box of this.#boxes.values()) {
        if (box.top >= ahead.top + ahead.height || box.top + box.height <= ahead.top || leftAt(box, now) <= left) continue;
        const time = start + maxStop(ahead, box, now);
        if (time >= (times.get(box.id) ?? box.until)) continue;
        times.set(box.id, time);
        open.push(box);
      }
    }
    return times;
  }
}
