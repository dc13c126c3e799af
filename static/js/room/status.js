/** Shows the state of the connection: in the top bar, as a line over the picture, and as a notice when it is offline. */

import { find } from '../page/dom.js';
import { formatNumber, hasText, t } from '../page/i18n.js';

/** @typedef {import('../connection/connection.js').Connection} Connection */

/** @param {Connection} connection @param {import('../page/render-scheduler.js').RenderScheduler} scheduler */
export function showStatus(connection, scheduler) {
  const status = find('status');
  const statusText = find('status-text');
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
  const showViewers = (now) => {
    count = now;
    scheduler.request(writeViewers);
  };

  connection.addEventListener('state', (event) => {
    const { state, detail, message, reason } = /** @type {CustomEvent} */ (event).detail;
    scheduler.request(() => {
      if (status.dataset.state !== state) status.dataset.state = state;
      main.dataset.connection = state;
      const text = state === 'connecting' && detail === 'again' ? t('status.reconnecting') : t(`status.${state}`);
      if (statusText.textContent !== text) statusText.textContent = text;
      status.title = state === 'live' ? t(`status.by_${detail}`) : text;
      notice.hidden = state !== 'offline';
      const sentence = hasText(`reject.${reason}`) ? t(`reject.${reason}`) : message || t('status.ended');
      noticeText.textContent = detail === 'ended' || reason ? sentence : t('status.waiting');
    });
  });
  connection.addEventListener('welcome', (event) => showViewers(/** @type {CustomEvent} */ (event).detail.viewers));
  connection.addEventListener('viewers', (event) => showViewers(/** @type {CustomEvent} */ (event).detail.count));
  retry.addEventListener('click', () => connection.retry());
}
