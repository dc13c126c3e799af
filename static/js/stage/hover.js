/**
 * Pointing: a comment stands still while a mouse points at it or while the page has pinned it (its menu is open). Touch does
 * not point. It turns pointers into holds, and says nothing about what a click does.
 */

/** @param {EventTarget | null} target @returns {HTMLElement | null} the comment it lies in */
export function commentAt(target) {
  return target instanceof Element ? /** @type {HTMLElement | null} */ (target.closest('[data-role=comment]')) : null;
}

/** @param {EventTarget | null} target */
function seqAt(target) {
  const element = commentAt(target);
  return element ? Number(element.dataset.seq) : null;
}

export class Pointing {
  #holds;
  #marked;
  /** @type {number | null} */
  #pointedAt = null;
  /** @type {Set<number>} */
  #pinned = new Set();

  /**
   * @param {HTMLElement} plane @param {import('./held-comments.js').Holds} holds
   * @param {(seq: number, held: boolean) => void} marked called when a comment is taken hold of, and let go
   * @param {AbortSignal} signal ends it
   */
  constructor(plane, holds, marked, signal) {
    this.#holds = holds;
    this.#marked = marked;
    plane.addEventListener('pointerover', (event) => this.#move(event.pointerType === 'touch' ? null : seqAt(event.target)), { signal });
    plane.addEventListener('pointerout', (event) => this.#move(seqAt(event.relatedTarget)), { signal });
  }

  /** @param {number} seq */
  pin(seq) {
    this.#pinned.add(seq);
    this.#settle(seq);
  }

  /** @param {number} seq */
  unpin(seq) {
    this.#pinned.delete(seq);
    this.#settle(seq);
  }

  /** @param {number | null} seq */
  #move(seq) {
    const before = this.#pointedAt;
    if (seq === before) return;
    this.#pointedAt = seq;
    if (before !== null) this.#settle(before);
    if (seq !== null) this.#settle(seq);
  }

  /** @param {number} seq */
  #settle(seq) {
    const held = this.#pointedAt === seq || this.#pinned.has(seq);
    if (held) this.#holds.add(seq);
    else this.#holds.delete(seq);
    this.#marked(seq, held);
  }
}
