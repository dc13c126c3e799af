/**
 * Lanes: where a comment may go so that it never touches another one.
 *
 * A comment is a box that moves left in a straight line at a constant speed (a fixed one at speed 0) from one moment to
 * another. Two boxes whose rows overlap are apart when they are apart at both ends of the time they share, since the distance
 * between two straight lines has no minimum in between. For two scrolling boxes that cross in the same time D this is the
 * known rule Δt ≥ D·max(w₁,w₂)/(W+max(w₁,w₂)); the general form also holds for any mix of sizes, speeds and stage widths, so a
 * resize, which changes only what comes later, can never make two comments meet.
 *
 * Lanes are intervals of pixels, not numbered slots: a large comment takes the height it has. Pure: no DOM, no clock; times
 * are milliseconds on whatever clock the caller uses, lengths are pixels.
 */

/**
 * @typedef {object} Path where a box is and how it moves
 * @property {number} left    left edge at the moment `from`
 * @property {number} width
 * @property {number} height
 * @property {number} speed   pixels a millisecond to the left; 0 stands still
 * @property {number} from
 * @property {number} until   when it has left the stage, and its place is free
 * @property {number} gap     air it wants on both sides
 */

/**
 * @typedef {Path & {id: number, top: number, stoppedAt: number | null}} Box a path that has its place, and the moment at which it stops while it is held up
 */

/** @typedef {{top: number, bottom: number}} Rows */

const ROUNDING = 0.01;

/** When a box is to be taken off the stage. @param {Box} box */
export function leavesAt(box) {
  return box.stoppedAt === null ? box.until : Infinity;
}

/** Where the left edge of a box is. @param {Path & {stoppedAt?: number | null}} box @param {number} now */
export function leftAt(box, now) {
  return box.left - box.speed * (Math.min(now, box.stoppedAt ?? Infinity) - box.from);
}

/**
 * Whether two moving boxes stay apart sideways from `now` until one of them has left.
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
 * How long `ahead` may stand still from `now` on before `behind` must stand still too, if both go on together afterwards and
 * are to stay apart.
 * @param {Box} ahead @param {Box} behind @param {number} now
 */
function slack(ahead, behind, now) {
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
   * The free intervals within `rows` for a box on this path, from the top down. Rows of a box that is held up are not free,
   * since nobody knows when it goes on.
   * @param {Path} path @param {Rows} rows @param {number} now
   */
  #free(path, rows, now) {
    const blocked = [];
    for (const box of this.#boxes.values()) {
      if (box.stoppedAt !== null || !staysClear(box, path, now)) blocked.push(box);
    }
    blocked.sort((one, other) => one.top - other.top);
    /** @type {Rows[]} */
    const free = [];
    let top = rows.top;
    for (const box of blocked) {
      if (box.top >= rows.bottom) break;
      if (box.top - top >= path.height) free.push({ top, bottom: box.top });
      top = Math.max(top, box.top + box.height);
    }
    if (rows.bottom - top >= path.height) free.push({ top, bottom: rows.bottom });
    return free;
  }

  /**
   * The top of the first free lane for a box on this path, or null. From the top down, or from the bottom up.
   * @param {Path} path @param {Rows} rows @param {number} now @param {'top' | 'bottom'} [side]
   * @returns {number | null}
   */
  find(path, rows, now, side = 'top') {
    const free = this.#free(path, rows, now);
    if (free.length === 0) return null;
    return side === 'top' ? free[0].top : free[free.length - 1].bottom - path.height;
  }

  /** How many boxes on this path could start side by side. @param {Path} path @param {Rows} rows @param {number} now */
  count(path, rows, now) {
    return this.#free(path, rows, now).reduce((sum, { top, bottom }) => sum + Math.floor((bottom - top) / path.height), 0);
  }

  /** Takes the lane `find` gave. @param {number} id @param {Path} path @param {number} top */
  take(id, path, top) {
    const box = { ...path, id, top, stoppedAt: null };
    this.#boxes.set(id, box);
    return box;
  }

  /** @param {number} id */
  leave(id) {
    this.#boxes.delete(id);
  }

  /**
   * Gives a box that is not stopped another size where it is; when it has no room for that, it leaves.
   * @param {number} id @param {{width: number, height: number}} size @param {number} now
   * @returns {boolean} whether it is still there
   */
  resize(id, { width, height }, now) {
    const box = this.#boxes.get(id);
    if (!box) return false;
    this.#boxes.delete(id);
    const until = box.until + (box.speed > 0 ? (width - box.width) / box.speed : 0);
    const path = { ...box, width, height, until };
    const fits = this.find(path, { top: box.top, bottom: box.top + height }, now) !== null;
    if (fits) this.take(id, path, box.top);
    return fits;
  }

  /** Lets go of every box that has left, and returns their ids. @param {number} now */
  leaveDone(now) {
    const gone = [];
    for (const box of this.#boxes.values()) {
      if (leavesAt(box) <= now) gone.push(box.id);
    }
    for (const id of gone) this.#boxes.delete(id);
    return gone;
  }

  /** A box stands still from `at` on, which may be to come. @param {number} id @param {number} at */
  stop(id, at) {
    const box = this.#boxes.get(id);
    if (box && box.stoppedAt === null) box.stoppedAt = at;
  }

  /** A box goes on, later by the time it stood. @param {number} id @param {number} now */
  resume(id, now) {
    const box = this.#boxes.get(id);
    if (!box || box.stoppedAt === null) return;
    const stood = Math.max(0, now - box.stoppedAt);
    box.from += stood;
    box.until += stood;
    box.stoppedAt = null;
  }

  /**
   * When boxes must stand still at the latest while the `held` ones do: these now, and each one behind them as soon as its
   * slack is used up. If all go on together, whenever that is, none will ever touch. Boxes that are not named may go on.
   * @param {Iterable<number>} held @param {number} now
   * @returns {Map<number, number>} id -> time
   */
  standstill(held, now) {
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
        const time = start + slack(ahead, box, now);
        if (time >= (times.get(box.id) ?? box.until)) continue;
        times.set(box.id, time);
        open.push(box);
      }
    }
    return times;
  }
}
