/** The clock of the test card: the viewer's time and date, updated once a second. */

import { language } from '../page/i18n.js';
import { find } from '../page/dom.js';

const timeFormat = new Intl.DateTimeFormat(language, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
const dateFormat = new Intl.DateTimeFormat(language, { weekday: 'long', year: 'numeric', month: 'long', day: 'numeric' });

/**
 * Starts the clock of `card`. While the card or the page is hidden, only the timer runs.
 * @param {HTMLElement} card
 * @param {import('../page/render-scheduler.js').RenderScheduler} scheduler
 */
export function startClock(card, scheduler) {
  const clock = find('clock', card);
  const date = find('clock-date', card);

  function write() {
    const now = new Date();
    clock.textContent = timeFormat.format(now);
    const day = dateFormat.format(now);
    if (date.textContent !== day) date.textContent = day;
  }

  function tick() {
    if (!card.hidden && !document.hidden) scheduler.request(write);
    setTimeout(tick, 1000 - (Date.now() % 1000));
  }

  tick();
}
