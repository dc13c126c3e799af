/** The card that opens at a comment: copy it, or see no more of its user or of one of its words. */

import { placeCard } from '../page/popover.js';
import { make } from '../page/dom.js';
import { hideUser, hideWord, wordsOf } from './filters.js';
import { t } from '../page/i18n.js';

/** @typedef {import('../page/preferences.js').Preferences} Preferences */
/** @typedef {{seq: number, user?: string, name?: string, text: string}} Said */

export class CommentMenu {
  #card;
  #preferences;
  /** Called when the open card closes. */
  #closed = () => {};

  /** @param {HTMLElement} card @param {Preferences} preferences */
  constructor(card, preferences) {
    this.#card = card;
    this.#preferences = preferences;
    card.addEventListener('toggle', (event) => {
      if (/** @type {ToggleEvent} */ (event).newState === 'open') return;
      const closed = this.#closed;
      this.#closed = () => {};
      closed();
    });
  }

  /**
   * @param {Said} said
   * @param {Element} anchor the comment, on the stage or in the transcript
   * @param {{own: boolean, closed?: () => void}} options own: one does not hide oneself
   */
  open(said, anchor, { own, closed = () => {} }) {
    const card = this.#card;
    if (card.matches(':popover-open')) card.hidePopover();
    card.replaceChildren(...this.#fill(said, own));
    card.showPopover();
    placeCard(card, anchor);
    this.#closed = closed;
    card.querySelector('button')?.focus({ preventScroll: true });
  }

  /** @param {Said} said @param {boolean} own @returns {Node[]} */
  #fill({ user, name = '', text }, own) {
    const quoted = make('div', { class: 'quoted' }, make('p', { class: 'quoted-name' }, make('bdi', {}, name)), make('p', {}, make('bdi', {}, text)));
    const copy = this.#makeItem(t('menu.copy'), () => copyText(text));
    if (own) return [quoted, copy];
    const words = wordsOf(text).map((word) => {
      const chip = make('button', { type: 'button', class: 'chip' }, make('bdi', {}, word));
      chip.addEventListener('click', () => this.#finish(() => hideWord(this.#preferences, word)));
      return chip;
    });
    return [
      quoted,
      copy,
      ...(user ? [this.#makeItem(t('menu.hide_user', { name: isolate(name) }), () => hideUser(this.#preferences, user, name))] : []),
      this.#makeItem(t('menu.hide_text'), () => hideWord(this.#preferences, text)),
      ...(words.length ? [make('p', { class: 'menu-label meta' }, t('menu.hide_word')), make('div', { class: 'words-to-hide' }, ...words)] : []),
    ];
  }

  /** @param {string} label @param {() => void} act */
  #makeItem(label, act) {
    const item = make('button', { type: 'button', class: 'menu-item' }, label);
    item.addEventListener('click', () => this.#finish(act));
    return item;
  }

  /** @param {() => void} act */
  #finish(act) {
    this.#card.hidePopover();
    act();
  }
}

/** A name inside a sentence, so that its direction stays its own (U+2068, U+2069). @param {string} name */
function isolate(name) {
  return `\u2068${name}\u2069`;
}

/** @param {string} text */
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Plain HTTP has no clipboard API: select and copy as one did before it.
    const field = make('textarea', { class: 'visually-hidden' }, text);
    document.body.append(field);
    field.select();
    document.execCommand('copy');
    field.remove();
  }
}
