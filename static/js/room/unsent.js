/**
 * Shows below the comments which posts of this viewer the server has not confirmed: at once while there is no connection, and
 * otherwise when a reply takes long. The connection sends them again by itself; while it waits, a button lets it try at once.
 */

import { find, make, makeIcon } from '../page/dom.js';
import { t } from '../page/i18n.js';

/** @typedef {import('../connection/wire.js').Post} Post */

const REPLY_EXPECTED_WITHIN_MS = 1_200;

/** @param {import('../connection/connection.js').Connection} connection @param {import('../page/render-scheduler.js').RenderScheduler} scheduler */
export function showUnsent(connection, scheduler) {
  const panel = find('unsent');
  const title = find('unsent-title');
  const list = find('unsent-list');
  const retry = find('unsent-retry');
  /** @type {Map<string, {text: string, at: number}>} by ref, in order; as many as the outbox holds */
  const posts = new Map();
  /** @type {Map<string, HTMLElement>} */
  const rows = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  /** @param {number} at when it was posted */
  const msUntilLate = (at) => (connection.state === 'live' ? Math.max(0, at + REPLY_EXPECTED_WITHIN_MS - performance.now()) : 0);

  function write() {
    for (const [ref, row] of rows) {
      if (posts.has(ref)) continue;
      row.remove();
      rows.delete(ref);
    }
    let next = Infinity;
    for (const [ref, { text, at }] of posts) {
      const left = msUntilLate(at);
      if (left > 0) next = Math.min(next, left);
      else if (!rows.has(ref)) {
        const row = make('li', {}, makeIcon('unsent'), make('bdi', {}, text));
        rows.set(ref, row);
        list.append(row);
        list.scrollTop = list.scrollHeight;
      }
    }
    panel.hidden = rows.size === 0;
    const heading = panel.hidden ? '' : (connection.state === 'live' ? t('unsent.title') : t('composer.kept'));
    if (title.textContent !== heading) title.textContent = heading; // it is read aloud when it changes
    retry.hidden = connection.state !== 'offline';
    clearTimeout(timer);
    if (next !== Infinity) timer = setTimeout(update, next);
  }
  const update = () => scheduler.request(write);

  connection.addEventListener('posted', (event) => {
    const { ref, post } = /** @type {CustomEvent<{ref: string, post: Post}>} */ (event).detail;
    posts.set(ref, { text: post.text, at: performance.now() });
    update();
  });
  for (const type of ['accepted', 'held', 'rejected']) {
    connection.addEventListener(type, (event) => {
      if (posts.delete(/** @type {CustomEvent} */ (event).detail.ref)) update();
    });
  }
  connection.addEventListener('state', update);
  retry.addEventListener('click', () => connection.retry());
}
