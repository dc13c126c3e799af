/** The page's single keys and the card that tells them. A key pressed in a field, or with a modifier, is not one of them. */

import { find, make } from '../page/dom.js';
import { t } from '../page/i18n.js';

/**
 * @param {Record<string, () => void>} acts by key, lower case; `keys.act_<key>` is what the card says of it
 * @param {HTMLElement} card
 */
export function listenForKeys(acts, card) {
  const list = find('keys', card);
  for (const key of Object.keys(acts)) list.append(make('dt', {}, make('kbd', {}, key.toUpperCase())), make('dd', {}, t(`keys.act_${key}`)));
  list.append(make('dt', {}, make('kbd', {}, '?')), make('dd', {}, t('keys.act_help')));
  list.append(make('dt', {}, make('kbd', {}, '↑')), make('dd', {}, t('keys.act_recall')));
  list.append(make('dt', {}, make('kbd', {}, 'Esc')), make('dd', {}, t('keys.act_escape')));

  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || event.defaultPrevented) return;
    if (event.target instanceof HTMLElement && event.target.matches('input:not([type=range]), textarea, select, [contenteditable]')) return;
    const act = event.key === '?' ? () => card.togglePopover() : acts[event.key.toLowerCase()];
    if (!act) return;
    event.preventDefault();
    act();
  });
}
