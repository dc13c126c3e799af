/** What is known about a user, and what is done about them. */

import { make } from '../page/dom.js';
import { t } from '../page/i18n.js';
import { describeSanction } from './sanctions.js';
import { formatTime } from './time.js';

/**
 * @param {HTMLElement} card
 * @param {import('../connection/moderator.js').UserCard} found
 * @param {{mute: () => void, shadow: () => void, ban: () => void, clear: () => void}} acts
 */
export function showUserCard(card, found, acts) {
  const comments = found.comments.flatMap((entry) =>
    entry.kind === 'comment' ? [make('li', {}, make('bdi', {}, entry.text), ' ', make('time', { class: 'meta' }, formatTime(entry.at)))] : [],
  );
  const buttons = /** @type {const} */ (['mute', 'shadow', 'ban', 'clear']).map((name) => {
    const button = make('button', { type: 'button', class: name === 'mute' || name === 'shadow' ? 'button' : 'button danger' }, t(`console.user_${name}`));
    button.addEventListener('click', acts[name]);
    return button;
  });
  card.replaceChildren(
    make('h3', {}, make('bdi', {}, found.name || found.user)),
    make('p', { class: 'meta' }, make('bdi', {}, found.user), found.first_seen ? ` · ${t('console.first_seen', { time: formatTime(found.first_seen) })}` : ''),
    ...found.sanctions.map((sanction) => make('p', { class: 'warning' }, describeSanction(sanction))),
    make('div', { class: 'buttons' }, ...buttons),
    make('ul', { class: 'user-comments' }, ...comments.reverse()),
  );
  card.hidden = false;
}
