/** What the page tells about its connection: the pill in the bar, the line over the picture, the sentence when it is over. */

import { find } from '../page/dom.js';
import { formatNumber, hasText, t } from '../page/i18n.js';

/** @typedef {import('../connection/connection.js').Connection} Connection */

/** @param {Connection} connection @param {import('../page/render-scheduler.js').Beat} beat */
export function showStatus(connection, beat) {
  const status = find('status');
  const words = find('status-text');
  const main = find('room-main');
  const notice = find('screen-notice');
  const noticeText = find('screen-notice-text');
  const retry = find('retry');
  const viewers = find('viewer-count');
  let count = 0;

  const writeViewers = () => {
    viewers.textContent = formatNumber(count);
  };
  /** @param {number} now */
  const tellViewers = (now) => {
    count = now;
    beat.request(writeViewers);
  };

  connection.addEventListener('state', (event) => {
    const { state, detail, message, reason } = /** @type {CustomEvent} */ (event).detail;
    beat.request(() => {
      if (status.dataset.state !== state) status.dataset.state = state;
      main.dataset.connection = state;
      const text = state === 'connecting' && detail === 'again' ? t('status.reconnecting') : t(`status.${state}`);
      if (words.textContent !== text) words.textContent = text;
      status.title = state === 'live' ? t(`status.by_${detail}`) : text;
      notice.hidden = state !== 'offline';
      const sentence = hasText(`reject.${reason}`) ? t(`reject.${reason}`) : message || t('status.ended');
      noticeText.textContent = detail === 'ended' || reason ? sentence : t('status.waiting');
    });
  });
  connection.addEventListener('welcome', (event) => tellViewers(/** @type {CustomEvent} */ (event).detail.viewers));
  connection.addEventListener('viewers', (event) => tellViewers(/** @type {CustomEvent} */ (event).detail.count));
  retry.addEventListener('click', () => connection.retry());
}
