/** Single-key shortcuts and the popover that lists them. Keys pressed in a field or with a modifier are ignored. */

import { find, make } from '../page/dom.js';
import { t } from '../page/i18n.js';

/**
 * @param {Record<string, () => void>} actions by key, lower case; `keys.act_<key>` is the translation key of the description
 * @param {HTMLElement} popover
 */
export function registerShortcuts(actions, popover) {
  const list = find('keys', popover);
  for (const key of Object.keys(actions)) list.append(make('dt', {}, make('kbd', {}, key.toUpperCase())), make('dd', {}, t(`keys.act_${key}`)));
  list.append(make('dt', {}, make('kbd', {}, '?')), make('dd', {}, t('keys.act_help')));
  list.append(make('dt', {}, make('kbd', {}, '↑')), make('dd', {}, t('keys.act_recall')));
  list.append(make('dt', {}, make('kbd', {}, 'Esc')), make('dd', {}, t('keys.act_escape')));

  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || event.defaultPrevented) return;
    if (event.target instanceof HTMLElement && event.target.matches('input:not([type=range]), textarea, select, [contenteditable]')) return;
    const key = latinKey(event);
    const action = key === '?' ? () => popover.togglePopover() : actions[key];
    if (!action) return;
    event.preventDefault();
    action();
  });
}

/**
 * The key in lower case. Where the layout or the input method writes no Latin letter with it (Cyrillic, Greek, Arabic, Hangul …),
 * the one that the US layout has at its place.
 * @param {KeyboardEvent} event
 */
function latinKey({ key, code, shiftKey }) {
  const latin = key !== 'Process' && /^[ -~]|^\p{Script=Latin}/u.test(key);
  if (latin) return key.toLowerCase();
  if (code === 'Slash' && shiftKey) return '?';
  return /^Key[A-Z]$/.test(code) ? code.slice(3).toLowerCase() : '';
}
