/**
 * Where a viewer stands in a room: the last entry it has, in the numbering of an epoch.
 * It says what of a range is new and whether something before it is missing; it asks nobody for what is missing.
 */

/** @typedef {import('./wire.js').Entry} Entry */

export class Cursor {
  epoch = '';
  seq = 0;

  /** `epoch:seq` as the wire writes it, '' before the first welcome. */
  toString() {
    return this.epoch === '' ? '' : `${this.epoch}:${this.seq}`;
  }

  /** @param {string} epoch @param {number} seq */
  moveTo(epoch, seq) {
    this.epoch = epoch;
    this.seq = seq;
  }

  /**
   * Takes the range first..last and returns its entries that are new, or null when entries before the range are
   * missing; then nothing has been taken.
   * @param {{epoch?: string, first: number, last: number, entries?: Entry[]}} range
   * @returns {Entry[] | null}
   */
  take({ epoch = this.epoch, first, last, entries = [] }) {
    if (epoch !== this.epoch || first > this.seq + 1) return null;
    const fresh = entries.filter((entry) => entry.seq > this.seq);
    this.seq = Math.max(this.seq, last);
    return fresh;
  }
}
