/** Creates elements from plain values. Strings become text nodes only, so what viewers write is never markup. */

const ICONS = new URL('../../icons.svg', import.meta.url).href;
const SVG = 'http://www.w3.org/2000/svg';

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string | number | boolean>} [attributes] `true` sets an empty attribute, `false` sets none
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false) element.setAttribute(name, value === true ? '' : String(value));
  }
  element.append(...children);
  return element;
}

/** An icon of icons.svg. @param {string} name */
export function makeIcon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS(SVG, 'use');
  use.setAttribute('href', `${ICONS}#${name}`);
  svg.append(use);
  return svg;
}

/**
 * The element with this `data-role`; throws when there is none.
 * @template {HTMLElement} [Kind=HTMLElement]
 * @param {string} role
 * @param {ParentNode} [within]
 * @returns {Kind}
 */
export function find(role, within = document) {
  const element = within.querySelector(`[data-role="${role}"]`);
  if (!(element instanceof HTMLElement)) throw new Error(`the page has no ${role}`);
  return /** @type {Kind} */ (element);
}
