/** The counter over the picture: how many comments got no lane on the stage and are only in the transcript. */

import { t } from '../page/i18n.js';

const SHOWN_MS = 4000;

/**
 * @param {HTMLElement} counter
 * @param {import('../stage/stage.js').Stage} stage
 * @param {import('../page/render-scheduler.js').RenderScheduler} scheduler
 */
export function showDroppedCount(counter, stage, scheduler) {
  let count = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  const write = () => {
    counter.hidden = count === 0;
    if (count > 0) counter.textContent = t('player.dropped', { n: count });
  };

  stage.addEventListener('dropped', (event) => {
    count += /** @type {CustomEvent<{count: number}>} */ (event).detail.count;
    scheduler.request(write);
    clearTimeout(timer);
    timer = setTimeout(() => {
      count = 0;
      scheduler.request(write);
    }, SHOWN_MS);
  });
}
