/** The test card's running clock: the viewer's time and date, written through the page's beat once a second. */

import { language } from '../page/i18n.js';
import { find } from '../page/dom.js';

const timeFormat = new Intl.DateTimeFormat(language, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
const dateFormat = new Intl.DateTimeFormat(language, { weekday: 'long', year: 'numeric', month: 'long', day: 'numeric' });

/**
 * Keeps the clock of `card` running; a card that is hidden, or a page that is, costs nothing but the timer.
 * @param {HTMLElement} card
 * @param {import('../page/render-scheduler.js').Beat} beat
 */
export function runTestCard(card, beat) {
  const clock = find('clock', card);
  const date = find('clock-date', card);

  function write() {
    const now = new Date();
    clock.textContent = timeFormat.format(now);
    const day = dateFormat.format(now);
    if (date.textContent !== day) date.textContent = day;
  }

  function tick() {
    if (!card.hidden && !document.hidden) beat.request(write);
    setTimeout(tick, 1000 - (Date.now() % 1000));
  }

  tick();
}
