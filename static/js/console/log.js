/** What moderators did, newest first. What can be undone has a button for it. */

import { make } from '../page/dom.js';
import { hasText, t } from '../page/i18n.js';
import { formatTime } from './time.js';

/** @typedef {import('../connection/wire.js').Act} Act */

const MAX_ROWS = 200;

export class Log {
  #list;
  #undo;
  #nameOf;
  #newest = 0;

  /**
   * @param {HTMLElement} list
   * @param {{undo: (act: Act) => (() => void) | null, nameOf: (user: string) => string}} options undo: how to undo an act, null if it cannot be
   */
  constructor(list, { undo, nameOf }) {
    this.#list = list;
    this.#undo = undo;
    this.#nameOf = nameOf;
  }

  /** @param {Act[]} acts oldest first; those that are shown already are ignored */
  add(acts) {
    for (const act of acts) {
      if (act.id <= this.#newest) continue;
      this.#newest = act.id;
      if (act.kind === 'hold' && act.cause !== 'reports') continue; // nobody did this, and there may be many
      this.#list.prepend(this.#makeRow(act));
    }
    while (this.#list.childElementCount > MAX_ROWS) this.#list.lastElementChild?.remove();
  }

  /** @param {Act} act */
  #makeRow(act) {
    const undo = this.#undo(act);
    const words = make('div', { class: 'item-words' }, make('p', {}, this.#describe(act)), make('p', { class: 'meta' }, ...(act.by_name ? [make('bdi', {}, act.by_name), ' · '] : []), formatTime(act.at)));
    const row = make('li', { class: 'item', 'data-kind': act.kind, 'data-id': act.id }, words);
    if (undo) {
      const button = make('button', { type: 'button', class: 'button' }, t('console.undo'));
      button.addEventListener('click', () => {
        button.remove();
        undo();
      });
      row.append(button);
    }
    return row;
  }

  /** @param {Act} act */
  #describe(act) {
    const user = act.user ? this.#nameOf(String(act.user)) : '';
    const variants = { clear: user ? '_user' : '', sanction: `_${act.sanction}`, lift: `_${act.sanction}`, decide: act.approved ? '_approved' : '_refused' };
    const kind = act.kind + (variants[/** @type {keyof typeof variants} */ (act.kind)] ?? '');
    const key = `console.log_${kind}`;
    const values = { user: `\u2068${act.name || user}\u2069`, count: Number(act.count ?? 0) };
    return hasText(key) ? t(key, values) : act.kind;
  }
}
