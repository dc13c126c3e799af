/** What was just done, with a button to undo it for a few seconds. */

import { make } from '../page/dom.js';
import { t } from '../page/i18n.js';

const SECONDS = 8;

export class Toast {
  #element;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {HTMLElement} element a live region */
  constructor(element) {
    this.#element = element;
  }

  /** @param {string} text @param {(() => void) | null} [undo] null for what cannot be undone */
  show(text, undo = null) {
    clearTimeout(this.#timer);
    const button = make('button', { type: 'button', class: 'button', 'data-role': 'undo' }, t('console.undo'));
    button.addEventListener('click', () => {
      this.hide();
      undo?.();
    });
    this.#element.replaceChildren(make('span', {}, text), ...(undo ? [button] : []));
    this.#element.hidden = false;
    this.#timer = setTimeout(() => this.hide(), SECONDS * 1000);
  }

  hide() {
    clearTimeout(this.#timer);
    this.#element.hidden = true;
  }
}
