/** The small counter over the picture: how many comments found no place on the stage and stand in the transcript only. */

import { t } from '../page/i18n.js';

const SHOWN_MS = 4000;

/**
 * @param {HTMLElement} counter
 * @param {import('../stage/stage.js').Stage} stage
 * @param {import('../page/render-scheduler.js').Beat} beat
 */
export function countDropped(counter, stage, beat) {
  let count = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  const write = () => {
    counter.hidden = count === 0;
    if (count > 0) counter.textContent = t('player.dropped', { n: count });
  };

  stage.addEventListener('dropped', (event) => {
    count += /** @type {CustomEvent<{count: number}>} */ (event).detail.count;
    beat.request(write);
    clearTimeout(timer);
    timer = setTimeout(() => {
      count = 0;
      beat.request(write);
    }, SHOWN_MS);
  });
}
