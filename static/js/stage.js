/**
 * The stage: comments that fly over a picture without ever touching each other.
 *
 * Public interface (the inside is being built):
 *
 *   const beat = new Beat();
 *   const stage = new Stage(document.querySelector('[data-role=stage]'), { beat, settings });
 *   stage.add(entry, { own: true });
 *
 * Feed it what is live and what was missed (a resume); it leaves out by itself what is more than a few seconds old, so a
 * resume is no burst. Do not feed it the history of a first join. Words and users the viewer hides are the caller's to filter.
 */

/**
 * @typedef {object} StageEntry a comment as it is on the wire
 * @property {number} seq
 * @property {string} [user]
 * @property {string} [name]
 * @property {string} text
 * @property {number} [at]          Unix milliseconds, the server's clock; missing means now
 * @property {'scroll' | 'top' | 'bottom'} [mode]
 * @property {string} [color]       "#rrggbb"
 * @property {'small' | 'normal' | 'large'} [size]
 * @property {string} [role]        "host" and "moderator" get a badge
 */

/**
 * @typedef {object} StageSettings
 * @property {number} opacity           0..1
 * @property {number} scale             size of the text, 1 is normal
 * @property {number} speed             1 crosses in 8 s, 2 in 4 s
 * @property {number} area              share of the height that is used: 0.25, 0.5, 0.75, 1
 * @property {number} density           0..1; lower keeps more air between comments
 * @property {{scroll: boolean, top: boolean, bottom: boolean}} modes   which modes are shown at all
 * @property {boolean} merge            beyond capacity, equal texts become one with ×N
 * @property {number} delaySeconds      show a comment this long after its `at`
 * @property {number} maxOnScreen       0 is as many as fit
 * @property {string} font              a CSS font-family; empty is the page's
 * @property {boolean} names            put the name before the text
 * @property {number} reservedTopPx     CSS pixels kept free at the top
 * @property {number} reservedBottomPx  CSS pixels kept free at the foot (the player bar)
 */

/**
 * Events: `comment-click`, a CustomEvent with detail {seq, entry, element, originalEvent};
 *         `dropped`, a CustomEvent with detail {count}: comments that found no place since the last such event.
 */
export class Stage extends EventTarget {
  /**
   * @param {HTMLElement} element the `[data-role=stage]` element; it must be positioned and sized by the page
   * @param {{beat: import('./beat.js').Beat, settings?: Partial<StageSettings>}} options
   */
  constructor(element, { beat, settings = {} }) {
    super();
    void element, void beat, void settings;
  }

  /**
   * Offers a comment to the stage; it flies as soon as there is a free lane, or within a second, or not at all.
   * @param {StageEntry} entry
   * @param {{own?: boolean}} [options] own: this viewer said it; underlined, and first in line
   */
  add(entry, { own = false } = {}) { void entry, void own; }

  /** Takes one comment off the stage. @param {number} seq */
  remove(seq) { void seq; }

  /** Takes off every comment before `beforeSeq`; all of them without it. @param {number} [beforeSeq] */
  clear(beforeSeq) { void beforeSeq; }

  /** Takes off every comment for which `test` is true (a user just hidden). @param {(entry: StageEntry) => boolean} test */
  removeWhere(test) { void test; }

  /** Changes settings at once; what is left out stays. @param {Partial<StageSettings>} settings */
  configure(settings) { void settings; }

  /** The video stands still, so does the stage. @param {boolean} paused */
  setPaused(paused) { void paused; }

  /** Danmaku switched on or off; off empties the stage. @param {boolean} visible */
  setVisible(visible) { void visible; }

  /** Stops one comment until `release(seq)`, as hovering does (while its menu is open). @param {number} seq */
  hold(seq) { void seq; }

  /** @param {number} seq */
  release(seq) { void seq; }

  /** Stops everything and gives the element back empty. */
  destroy() {}
}
