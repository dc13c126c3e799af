/**
 * Holds the comment under the mouse pointer, and the comments that the page has pinned (their menu is open). Touch holds none.
 * It does not handle clicks.
 */

/** @param {EventTarget | null} target @returns {HTMLElement | null} the comment that contains it */
export function commentAt(target) {
  return target instanceof Element ? /** @type {HTMLElement | null} */ (target.closest('[data-role=comment]')) : null;
}

/** @param {EventTarget | null} target */
function seqAt(target) {
  const element = commentAt(target);
  return element ? Number(element.dataset.seq) : null;
}

export class Hover {
  #heldComments;
  #onHeldChange;
  /** @type {number | null} */
  #hovered = null;
  /** @type {Set<number>} */
  #pinned = new Set();

  /**
   * @param {HTMLElement} plane @param {import('./held-comments.js').HeldComments} heldComments
   * @param {(seq: number, held: boolean) => void} onHeldChange called when a comment is held or released
   * @param {AbortSignal} signal removes the listeners
   */
  constructor(plane, heldComments, onHeldChange, signal) {
    this.#heldComments = heldComments;
    this.#onHeldChange = onHeldChange;
    plane.addEventListener('pointerover', (event) => this.#move(event.pointerType === 'touch' ? null : seqAt(event.target)), { signal });
    plane.addEventListener('pointerout', (event) => this.#move(seqAt(event.relatedTarget)), { signal });
  }

  /** @param {number} seq */
  pin(seq) {
    this.#pinned.add(seq);
    this.#update(seq);
  }

  /** @param {number} seq */
  unpin(seq) {
    this.#pinned.delete(seq);
    this.#update(seq);
  }

  /** @param {number | null} seq */
  #move(seq) {
    const before = this.#hovered;
    if (seq === before) return;
    this.#hovered = seq;
    if (before !== null) this.#update(before);
    if (seq !== null) this.#update(seq);
  }

  /** @param {number} seq */
  #update(seq) {
    const held = this.#hovered === seq || this.#pinned.has(seq);
    if (held) this.#heldComments.add(seq);
    else this.#heldComments.delete(seq);
    this.#onHeldChange(seq, held);
  }
}
