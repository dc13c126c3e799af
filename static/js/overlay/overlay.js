/** The overlay page: the room's comments over nothing, as the address says they should look. */

import { allowOutsideStyle } from './obs-trusted-types.js';
import { readLook } from './look.js';
import { Spectator } from './overlay-viewer.js';

allowOutsideStyle();
const words = new URLSearchParams(location.search);
const look = readLook((name) => words.get(name));
// In OBS the system's wish for less motion is the streamer's desktop's, not the audience's.
if (look.motion === 'auto' && 'obsstudio' in window) look.motion = 'fly';

const element = /** @type {HTMLElement} */ (document.querySelector('[data-role=stage]'));
new Spectator(element, { room: document.body.dataset.room ?? '', look });
