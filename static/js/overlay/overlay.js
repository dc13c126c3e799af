/** The overlay page: the room's comments on a transparent page, with the look that the query parameters choose. */

import { allowObsStyle } from './obs-trusted-types.js';
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

const element = /** @type {HTMLElement} */ (document.querySelector('[data-role=stage]'));
new OverlayViewer(element, { room: document.body.dataset.room ?? '', look, serverClock: pageServerClock() });
