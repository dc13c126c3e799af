/** The sanctions in force. */

import { make } from '../page/dom.js';
import { t } from '../page/i18n.js';
import { formatTime } from './time.js';

/** @typedef {import('../connection/moderator.js').Sanction} Sanction */

/** @param {Sanction} sanction */
export function describeSanction({ kind, until }) {
  return until === null ? t(`console.${kind}_for_good`) : t(`console.${kind}_until`, { time: formatTime(until) });
}

/**
 * @param {HTMLElement} list
 * @param {Sanction[]} sanctions
 * @param {{lift: (sanction: Sanction) => void, open: (user: string) => void, nameOf: (user: string) => string}} acts
 */
export function showSanctions(list, sanctions, { lift, open, nameOf }) {
  const items = sanctions.map((sanction) => {
    const who = make('button', { type: 'button', class: 'link' }, make('bdi', {}, nameOf(sanction.user)));
    who.addEventListener('click', () => open(sanction.user));
    const end = make('button', { type: 'button', class: 'button' }, t('console.lift'));
    end.addEventListener('click', () => lift(sanction));
    const words = make('div', { class: 'item-words' }, who, make('p', { class: 'meta' }, describeSanction(sanction)));
    return make('li', { class: 'item', 'data-sanction': sanction.id }, words, end);
  });
  list.replaceChildren(...(items.length ? items : [make('li', { class: 'meta' }, t('console.no_sanctions'))]));
}
