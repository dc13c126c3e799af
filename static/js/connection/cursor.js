/**
 * A viewer's cursor in a room: the epoch and the seq of the last entry received. It tells which entries of a range are new and
 * whether there is a gap before the range; filling the gap is the connection's task.
 */

/** @typedef {import('./wire.js').Entry} Entry */

export class Cursor {
  epoch = '';
  seq = 0;

  /** `epoch:seq` as on the wire; '' before the first welcome. */
  toString() {
    return this.epoch === '' ? '' : `${this.epoch}:${this.seq}`;
  }

  /** @param {string} epoch @param {number} seq */
  moveTo(epoch, seq) {
    this.epoch = epoch;
    this.seq = seq;
  }

  /**
   * Advances to the end of the range first..last and returns the new entries in it. When there is a gap before the range, it
   * stays where it is and returns null.
   * @param {{epoch?: string, first: number, last: number, entries?: Entry[]}} range
   * @returns {Entry[] | null}
   */
  advance({ epoch = this.epoch, first, last, entries = [] }) {
    if (epoch !== this.epoch || first > this.seq + 1) return null;
    const added = entries.filter((entry) => entry.seq > this.seq);
    this.seq = Math.max(this.seq, last);
    return added;
  }
}
