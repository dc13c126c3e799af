/** A small chart of the last minute: one value a second. */

const SVG = 'http://www.w3.org/2000/svg';
const SECONDS = 60;
const HEIGHT = 24;

export class Sparkline {
  #line;
  #value;
  /** @type {number[]} */
  #values = Array(SECONDS).fill(0);

  /** @param {HTMLElement} element @param {HTMLElement} value where the newest value is written */
  constructor(element, value) {
    const svg = document.createElementNS(SVG, 'svg');
    svg.setAttribute('viewBox', `0 0 ${SECONDS - 1} ${HEIGHT}`);
    svg.setAttribute('preserveAspectRatio', 'none');
    svg.setAttribute('aria-hidden', 'true');
    this.#line = document.createElementNS(SVG, 'polyline');
    svg.append(this.#line);
    element.append(svg);
    this.#value = value;
  }

  /** @param {number} value @param {string} text */
  add(value, text) {
    this.#values = [...this.#values.slice(1), value];
    const most = Math.max(1, ...this.#values);
    this.#line.setAttribute('points', this.#values.map((one, second) => `${second},${(HEIGHT - 1 - (one / most) * (HEIGHT - 2)).toFixed(1)}`).join(' '));
    this.#value.textContent = text;
  }
}
