/** The overlay page: the room's comments on a transparent page, with the look that the query parameters choose. */

import { allowObsStyle } from './obs-trusted-types.js';
import { rejectionText } from '../page/rejection-text.js';
import { t } from '../page/i18n.js';
import { readLook } from './look.js';
import { OverlayViewer } from './overlay-viewer.js';
import { pageServerClock } from '../stage/server-clock.js';

allowObsStyle();
const parameters = new URLSearchParams(location.search);
const look = readLook((name) => parameters.get(name));
// In OBS the preference for reduced motion is that of the streamer's desktop, not of the audience.
if (look.motion === 'auto' && 'obsstudio' in window) look.motion = 'fly';

// In a sandbox without allow-same-origin the page has no origin, and the server refuses its connection.
if (self.origin === 'null') for (const notice of document.querySelectorAll('[data-role=no-origin]')) notice.removeAttribute('hidden');

/** Says why no comments will come: to who opened the page in a tab. In OBS and in frames the audience would read it. @param {string} text */
function explain(text) {
  console.warn(text);
  if (self !== top || 'obsstudio' in window) return;
  const notice = /** @type {HTMLElement} */ (document.querySelector('[data-role=ended]'));
  notice.textContent = text;
  notice.hidden = false;
}

const element = /** @type {HTMLElement} */ (document.querySelector('[data-role=stage]'));
new OverlayViewer(element, {
  room: document.body.dataset.room ?? '',
  look,
  serverClock: pageServerClock(),
  ended: ({ reason, message }) => explain(t('overlay.ended', { why: rejectionText({ code: reason, message }) })),
});
