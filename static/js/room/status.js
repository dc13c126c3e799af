/**
 * Shows the state of the connection: in the top bar, as a line over the picture, and while it is offline as a notice with the
 * reason, the seconds until the next attempt and a button to try now. The notice stays while an attempt is under way.
 */

import { find } from '../page/dom.js';
import { formatNumber, hasText, t } from '../page/i18n.js';

/** @typedef {import('../connection/connection.js').Connection} Connection */
/** @typedef {{state: string, detail: string, reason: string, message: string, retryInMs: number}} ConnectionStatus the detail of the connection's `state` event */

/** @param {ConnectionStatus} status */
function labelOf({ state, detail, reason }) {
  if (state === 'connecting' && detail === 'again') return t('status.reconnecting');
  return state === 'offline' && reason === 'full' ? t('status.full') : t(`status.${state}`);
}

/** Why the viewer is not in the room. @param {ConnectionStatus} status */
function explain({ detail, reason, message }) {
  if (hasText(`status.why_${reason}`)) return t(`status.why_${reason}`);
  if (hasText(`reject.${reason}`)) return t(`reject.${reason}`);
  return detail === 'ended' || reason ? message || t('status.ended') : t('status.waiting');
}

/** @param {Connection} connection @param {import('../page/render-scheduler.js').RenderScheduler} scheduler */
export function showStatus(connection, scheduler) {
  const status = find('status');
  const statusText = find('status-text');
  const main = find('room-main');
  const notice = find('screen-notice');
  const noticeText = find('screen-notice-text');
  const nextAttempt = find('next-attempt');
  const viewers = find('viewer-count');
  /** @type {ConnectionStatus} */
  let shown = { state: 'connecting', detail: 'first', reason: '', message: '', retryInMs: 0 };
  let retryAt = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let count = 0;

  function write() {
    const { state, detail } = shown;
    if (status.dataset.state !== state) status.dataset.state = state;
    main.dataset.connection = state;
    const label = labelOf(shown);
    if (statusText.textContent !== label) statusText.textContent = label;
    status.title = state === 'live' ? t(`status.by_${detail}`) : label;
    if (state === 'live') notice.hidden = true;
    if (state === 'offline') {
      const why = explain(shown);
      if (noticeText.textContent !== why) noticeText.textContent = why; // it is read aloud when it changes
      notice.hidden = false;
    }
    writeNextAttempt();
  }

  function writeNextAttempt() {
    clearTimeout(timer);
    const leftMs = retryAt - performance.now();
    const waits = shown.state === 'offline' && shown.detail === 'waiting' && leftMs > 0;
    const text = waits ? t('status.next_attempt', { n: Math.ceil(leftMs / 1000) }) : shown.detail === 'ended' ? '' : t('status.attempt');
    if (nextAttempt.textContent !== text) nextAttempt.textContent = text;
    nextAttempt.hidden = text === '';
    if (waits) timer = setTimeout(() => scheduler.request(writeNextAttempt), leftMs % 1000 || 1000);
  }

  const writeViewers = () => {
    viewers.textContent = formatNumber(count);
  };
  /** @param {number} now */
  const showViewers = (now) => {
    count = now;
    scheduler.request(writeViewers);
  };

  connection.addEventListener('state', (event) => {
    shown = /** @type {CustomEvent<ConnectionStatus>} */ (event).detail;
    retryAt = performance.now() + shown.retryInMs;
    scheduler.request(write);
  });
  connection.addEventListener('welcome', (event) => showViewers(/** @type {CustomEvent} */ (event).detail.viewers));
  connection.addEventListener('viewers', (event) => showViewers(/** @type {CustomEvent} */ (event).detail.count));
  find('retry').addEventListener('click', () => connection.retry());
}
