/** The menu of a comment: copy its text, report it, hide its user or one of its words; a moderator can remove it, and mute or ban its user. */

import { placePopover } from '../page/popover.js';
import { make } from '../page/dom.js';
import { hideUser, hideWord, wordsOf } from './filters.js';
import { t } from '../page/i18n.js';

/** @typedef {import('../page/preferences.js').Preferences} Preferences */
/** @typedef {{seq: number, user?: string, name?: string, text: string}} Comment */
/** What a moderator does with a comment; null for everybody else. @typedef {Record<'remove' | 'removeAll' | 'mute' | 'ban', (comment: Comment) => void> | null} Acts */

export class CommentMenu {
  #popover;
  #preferences;
  /** Called when the open menu closes. */
  #onClose = () => {};
  /** The comment whose menu is open. @type {Comment | null} */
  #comment = null;

  /** @param {HTMLElement} popover @param {Preferences} preferences */
  constructor(popover, preferences) {
    this.#popover = popover;
    this.#preferences = preferences;
    popover.addEventListener('toggle', (event) => {
      if (/** @type {ToggleEvent} */ (event).newState === 'open') return;
      this.#comment = null;
      const onClose = this.#onClose;
      this.#onClose = () => {};
      onClose();
    });
  }

  /**
   * @param {Comment} comment
   * @param {Element} anchor the comment, on the stage or in the transcript
   * @param {{own: boolean, acts?: Acts, report?: (comment: Comment) => void, onClose?: () => void}} options own: by this viewer, who cannot hide their own comments
   */
  open(comment, anchor, { own, acts = null, report, onClose = () => {} }) {
    const popover = this.#popover;
    if (!popover.showPopover) return onClose(); // a browser without popovers
    if (popover.matches(':popover-open')) popover.hidePopover();
    popover.replaceChildren(...this.#fill(comment, own, report), ...this.#fillActs(comment, acts));
    popover.showPopover();
    this.#comment = comment;
    placePopover(popover, anchor);
    this.#onClose = onClose;
    popover.querySelector('button')?.focus({ preventScroll: true });
  }

  /** Closes the menu of a comment for which `test` is true, since the comment is gone. @param {(comment: Comment) => boolean} test */
  closeWhere(test) {
    if (this.#comment && test(this.#comment)) this.#popover.hidePopover();
  }

  /** @param {Comment} comment @param {boolean} own @param {(comment: Comment) => void} [report] @returns {Node[]} */
  #fill(comment, own, report) {
    const { user, name = '', text } = comment;
    const quoted = make('div', { class: 'quoted' }, make('p', { class: 'quoted-name' }, make('bdi', {}, name)), make('p', {}, make('bdi', {}, text)));
    const copy = this.#makeItem(t('menu.copy'), () => copyText(text));
    if (own) return [quoted, copy];
    const words = wordsOf(text).map((word) => {
      const chip = make('button', { type: 'button', class: 'chip' }, make('bdi', {}, word));
      chip.addEventListener('click', () => this.#close(() => hideWord(this.#preferences, word)));
      return chip;
    });
    return [
      quoted,
      copy,
      ...(user ? [this.#makeItem(t('menu.hide_user', { name: isolate(name) }), () => hideUser(this.#preferences, user, name))] : []),
      this.#makeItem(t('menu.hide_text'), () => hideWord(this.#preferences, text)),
      ...(words.length ? [make('p', { class: 'menu-label meta' }, t('menu.hide_word')), make('div', { class: 'menu-words' }, ...words)] : []),
      ...(report ? [this.#makeItem(t('menu.report'), () => report(comment))] : []),
    ];
  }

  /** @param {Comment} comment @param {Acts} acts @returns {Node[]} */
  #fillActs(comment, acts) {
    if (!acts) return [];
    const items = [this.#makeItem(t('menu.remove'), () => acts.remove(comment))];
    const name = isolate(comment.name ?? '');
    if (comment.user) {
      items.push(
        this.#makeItem(t('menu.remove_all', { name }), () => acts.removeAll(comment)),
        this.#makeItem(t('menu.mute', { name }), () => acts.mute(comment)),
        this.#makeItem(t('menu.ban', { name }), () => acts.ban(comment)),
      );
    }
    for (const item of items) item.classList.add('danger');
    return [make('p', { class: 'menu-label meta' }, t('menu.moderate')), ...items];
  }

  /** @param {string} label @param {() => void} action */
  #makeItem(label, action) {
    const item = make('button', { type: 'button', class: 'menu-item' }, label);
    item.addEventListener('click', () => this.#close(action));
    return item;
  }

  /** @param {() => void} action */
  #close(action) {
    this.#popover.hidePopover();
    action();
  }
}

/** Isolates the text direction of a name inside a sentence (U+2068, U+2069). @param {string} name */
function isolate(name) {
  return `\u2068${name}\u2069`;
}

/** @param {string} text */
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without TLS there is no clipboard API.
    const field = make('textarea', { class: 'visually-hidden' }, text);
    document.body.append(field);
    field.select();
    document.execCommand('copy');
    field.remove();
  }
}
