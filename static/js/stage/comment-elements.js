/**
 * The elements of comments: filled with text, measured in one batch, and recycled. Text is inserted as text only, never as
 * markup. Which comments are shown, and where, is decided elsewhere.
 */

import { countOf } from './priority.js';

/** @typedef {import('./priority.js').Candidate} Candidate */

const LANE_GAP = 4; // between two lanes; stage.css puts half of it above a comment
const MAX_SPARE = 400;
const MAX_SIZES = 1000;
const BADGES = new Map([['host', 'H'], ['moderator', 'M'], ['bot', 'B']]);

/** Letters that do not fit a usual line: scripts with signs above and below, and capitals and caseless letters with two marks. */
const TALL = /[\p{Lu}\p{Lo}]\p{M}{2}|[\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}\p{Script=Tibetan}\p{Script=Javanese}\p{Script=Balinese}]/u;

// Each outline, 85 % opaque, then has a contrast of at least 3:1 to the colour over any picture (WCAG 2, large text).
const DARK_BELOW = 0.175; // relative luminance

/** Whether an outline around this colour must be light to be seen. @param {string | undefined} color "#rrggbb" */
export function isDark(color) {
  const match = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(color ?? '#ffffff');
  if (!match) return false;
  const [red, green, blue] = match.slice(1).map((pair) => parseInt(pair, 16) / 255);
  return 0.2126 * red ** 2.2 + 0.7152 * green ** 2.2 + 0.0722 * blue ** 2.2 < DARK_BELOW;
}

/** @param {string} kind @param {string} text @param {string} [tag] */
function makePart(kind, text, tag = 'span') {
  const element = document.createElement(tag);
  element.className = `comment-${kind}`;
  element.textContent = text;
  return element;
}

/** @typedef {{width: number, height: number}} Size in stage pixels, the gap between lanes included */

/** @param {HTMLElement} element @returns {Size} */
export function sizeOf(element) {
  return { width: element.offsetWidth + 1, height: element.offsetHeight + LANE_GAP };
}

export class CommentElements {
  #plane;
  /** @type {HTMLElement[]} */
  #spare = [];
  /** @type {Map<string, Size>} measured sizes, by font, classes and parts */
  #sizes = new Map();

  /** @param {HTMLElement} plane the element that contains the comments */
  constructor(plane) {
    this.#plane = plane;
  }

  /** Forgets the measured sizes, since a font or a style sheet has changed. */
  forgetSizes() {
    this.#sizes.clear();
  }

  /**
   * Returns elements for these candidates with their sizes; one layout for all of them, none when all sizes are known.
   * @param {readonly Candidate[]} candidates @param {{names: boolean, font: string}} style
   */
  prepare(candidates, style) {
    const prepared = candidates.map((candidate) => {
      const element = this.fill(this.#spare.pop() ?? document.createElement('div'), candidate, style);
      const key = [style.font, element.className, ...Array.from(element.children, (child) => `${child.className} ${child.textContent}`)].join('\n');
      return { candidate, element, key, size: this.#sizes.get(key) };
    });
    const unknown = prepared.filter(({ size }) => !size);
    this.#plane.append(...unknown.map(({ element }) => element));
    const sizes = unknown.map(({ element }) => sizeOf(element));
    unknown.forEach((item, index) => {
      item.size = sizes[index];
      if (this.#sizes.size >= MAX_SIZES) this.#sizes.clear();
      this.#sizes.set(item.key, item.size);
    });
    return prepared.map(({ candidate, element, size }) => ({ candidate, element, size: size ?? { width: 0, height: 0 } }));
  }

  /** Shows a candidate in an element. @param {HTMLElement} element @param {Candidate} candidate @param {{names: boolean, font: string}} style */
  fill(element, candidate, { names, font }) {
    const { entry, own } = candidate;
    const count = countOf(candidate);
    const { seq, text, color, size = 'normal', role = 'viewer' } = entry;
    element.textContent = '';
    element.dataset.role = 'comment';
    element.dataset.seq = String(seq);
    element.removeAttribute('data-held');
    const classes = ['comment'];
    if (size !== 'normal') classes.push(`comment-${size}`);
    if (TALL.test(text.normalize('NFD'))) classes.push('comment-tall');
    if (own) classes.push('comment-own');
    if (isDark(color)) classes.push('comment-dark');
    const badge = BADGES.get(role);
    if (badge) {
      classes.push('comment-staff');
      element.append(makePart('badge', badge));
    }
    if (names && entry.name) element.append(makePart('name', entry.name, 'bdi'));
    element.append(makePart('text', text, 'bdi'));
    if (count > 1) element.append(makePart('count', `×${count}`));
    element.className = classes.join(' ');
    element.style.color = ''; // an invalid colour would leave the previous one
    if (color) element.style.color = color;
    element.style.fontFamily = font; // on each element, so that a new font later does not widen comments that are already moving
    return element;
  }

  /** Removes an element from the stage and keeps it for another comment. @param {HTMLElement} element */
  recycle(element) {
    element.remove();
    if (this.#spare.length < MAX_SPARE) this.#spare.push(element);
  }
}
