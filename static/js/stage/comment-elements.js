/**
 * The elements comments are made of: filled with text, measured in one batch, and used again. Text goes in as text and nothing
 * else. It decides neither who flies nor where.
 */

/** @typedef {import('./priority.js').Offer} Offer */

const ROW_AIR = 4; // between two lanes; stage.css puts a comment in the middle of it
const SPARE_MOST = 400;
const SIZES_MOST = 1000;

// Either outline, 85 % opaque, is then at least 3 : 1 against the colour, whatever picture shines through it (WCAG 2, large text).
const DARK_BELOW = 0.175; // relative luminance

/** Whether an outline around this colour must be light to be seen. @param {string | undefined} color "#rrggbb" */
export function isDark(color) {
  const match = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(color ?? '#ffffff');
  if (!match) return false;
  const [red, green, blue] = match.slice(1).map((pair) => parseInt(pair, 16) / 255);
  return 0.2126 * red ** 2.2 + 0.7152 * green ** 2.2 + 0.0722 * blue ** 2.2 < DARK_BELOW;
}

/** @param {string} kind @param {string} text @param {string} [tag] */
function part(kind, text, tag = 'span') {
  const element = document.createElement(tag);
  element.className = `comment-${kind}`;
  element.textContent = text;
  return element;
}

/** @typedef {{width: number, height: number}} Size in stage pixels, air included */

/** @param {HTMLElement} element @returns {Size} */
export function sizeOf(element) {
  return { width: element.offsetWidth + 1, height: element.offsetHeight + ROW_AIR };
}

export class CommentElements {
  #plane;
  /** @type {HTMLElement[]} */
  #spare = [];
  /** @type {Map<string, Size>} what it measured, by font, classes and parts */
  #sizes = new Map();

  /** @param {HTMLElement} plane what the comments lie on */
  constructor(plane) {
    this.#plane = plane;
  }

  /** The look changed (font, style sheet): nothing measured before is true any more. */
  forgetSizes() {
    this.#sizes.clear();
  }

  /**
   * Elements for these offers with their sizes; one layout for all of them, none when all are known.
   * @param {readonly Offer[]} offers @param {{names: boolean, font: string}} look
   */
  prepare(offers, look) {
    const prepared = offers.map((offer) => {
      const element = this.#fill(this.#spare.pop() ?? document.createElement('div'), offer, look);
      const key = [look.font, element.className, ...Array.from(element.children, (child) => `${child.className} ${child.textContent}`)].join('\n');
      return { offer, element, key, size: this.#sizes.get(key) };
    });
    const unknown = prepared.filter(({ size }) => !size);
    this.#plane.append(...unknown.map(({ element }) => element));
    const sizes = unknown.map(({ element }) => sizeOf(element));
    unknown.forEach((item, index) => {
      item.size = sizes[index];
      if (this.#sizes.size >= SIZES_MOST) this.#sizes.clear();
      this.#sizes.set(item.key, item.size);
    });
    return prepared.map(({ offer, element, size }) => ({ offer, element, size: size ?? { width: 0, height: 0 } }));
  }

  /** @param {HTMLElement} element @param {Offer} offer @param {{names: boolean, font: string}} look */
  #fill(element, { entry, own, count }, { names, font }) {
    const { seq, text, color, size = 'normal', role = 'viewer' } = entry;
    element.textContent = '';
    element.dataset.role = 'comment';
    element.dataset.seq = String(seq);
    const classes = ['comment'];
    if (size !== 'normal') classes.push(`comment-${size}`);
    if (own) classes.push('comment-own');
    if (isDark(color)) classes.push('comment-dark');
    if (role === 'host' || role === 'moderator') {
      classes.push('comment-staff');
      element.append(part('badge', role === 'host' ? 'H' : 'M'));
    }
    if (names && entry.name) element.append(part('name', entry.name, 'bdi'));
    element.append(part('text', text, 'bdi'));
    if (count > 1) element.append(part('count', `×${count}`));
    element.className = classes.join(' ');
    element.style.color = ''; // a colour that is none would leave the one before
    if (color) element.style.color = color;
    element.style.fontFamily = font; // its own, so that another font later does not widen what is already flying
    return element;
  }

  /** Takes an element off the stage and keeps it for another comment. @param {HTMLElement} element */
  putAway(element) {
    element.remove();
    element.removeAttribute('data-held');
    if (this.#spare.length < SPARE_MOST) this.#spare.push(element);
  }
}
