/**
 * `<danmaku-stage>`: a room's comments over any video of any page.
 *
 *   <script type="module" src="https://chat.example/static/js/embed.js"></script>
 *   <video id="show" …></video>
 *   <danmaku-stage room="demo" for="show"></danmaku-stage>
 *
 * Attributes: `room`; `for`, the id of the video it lies over (without it the element keeps its own box); `src`, the server,
 * when it is not the one this module comes from; and the look, by the overlay's names (`size`, `speed`, `area`, …). It stands
 * still while the video is paused. The page's origin must be among the server's `--allowed-origins`.
 * Event: `comment-click`, as the stage's. Property: `stage`.
 */

import { DEFAULT_LOOK, readLook } from './overlay/look.js';
import { Spectator } from './overlay/overlay-viewer.js';

const STYLE = new URL('../css/stage.css', import.meta.url).href;
const CONTROLS_PX = 72; // as high as a browser's own controls get
const HERE = new URL(import.meta.url).origin;

/** Where the absolute position 0, 0 of an element is, in the window. @param {HTMLElement} element */
function originOf(element) {
  const parent = element.offsetParent;
  if (!parent || (parent === document.body && getComputedStyle(parent).position === 'static')) {
    return { left: -scrollX, top: -scrollY };
  }
  const { left, top } = parent.getBoundingClientRect();
  return { left: left + parent.clientLeft - parent.scrollLeft, top: top + parent.clientTop - parent.scrollTop };
}

export class DanmakuStage extends HTMLElement {
  static observedAttributes = ['room', 'src', 'for', ...Object.keys(DEFAULT_LOOK)];

  /** @type {Spectator | null} */
  #spectator = null;
  /** @type {AbortController | null} */
  #end = null;
  #root = this.attachShadow({ mode: 'open' });
  #ready;

  constructor() {
    super();
    const link = document.createElement('link');
    link.rel = 'stylesheet';
    link.href = STYLE;
    this.#ready = new Promise((resolve) => {
      link.addEventListener('load', resolve, { once: true });
      link.addEventListener('error', resolve, { once: true });
    });
    this.#root.append(link);
  }

  /** The stage, once it is there. */
  get stage() {
    return this.#spectator?.stage ?? null;
  }

  connectedCallback() {
    this.style.display ||= 'block';
    this.style.position ||= 'absolute';
    this.style.pointerEvents ||= 'none';
    this.#start();
  }

  disconnectedCallback() {
    this.#stop();
  }

  /** @param {string} name */
  attributeChangedCallback(name) {
    if (!this.isConnected) return;
    if (name in DEFAULT_LOOK) this.#spectator?.wear(this.#look());
    else this.#start();
  }

  #look() {
    return readLook((name) => this.getAttribute(name));
  }

  async #start() {
    this.#stop();
    const room = this.getAttribute('room');
    if (!room) return;
    const end = new AbortController();
    this.#end = end;
    await this.#ready; // comments are measured as they look
    if (end.signal.aborted) return;
    const element = document.createElement('div');
    element.dataset.role = 'stage';
    this.#root.append(element);
    const origin = new URL(this.getAttribute('src') ?? HERE, location.href).origin;
    const spectator = new Spectator(element, { room, origin, look: this.#look() });
    this.#spectator = spectator;
    spectator.stage.addEventListener('comment-click', (event) => {
      this.dispatchEvent(new CustomEvent('comment-click', { detail: /** @type {CustomEvent} */ (event).detail }));
    });
    end.signal.addEventListener('abort', () => {
      spectator.stop();
      element.remove();
      this.#spectator = null;
    });
    this.#attach(end.signal);
  }

  #stop() {
    this.#end?.abort();
    this.#end = null;
  }

  /** Lies over the video, wherever the page puts it, and does as it does. @param {AbortSignal} signal */
  #attach(signal) {
    const video = document.getElementById(this.getAttribute('for') ?? '');
    if (!(video instanceof HTMLVideoElement)) return;
    const cover = () => {
      const { left, top, width, height } = video.getBoundingClientRect();
      const origin = originOf(this);
      Object.assign(this.style, { left: `${left - origin.left}px`, top: `${top - origin.top}px`, width: `${width}px`, height: `${height}px` });
    };
    const sizes = new ResizeObserver(cover);
    sizes.observe(video);
    sizes.observe(document.documentElement); // a page that flows anew moves the video without resizing it
    addEventListener('resize', cover, { signal });
    const follow = () => {
      const stage = this.#spectator?.stage;
      stage?.setPaused(video.paused && video.readyState > 0);
      stage?.configure({ reservedBottomPx: video.controls ? CONTROLS_PX : 0 });
    };
    for (const type of ['play', 'pause', 'loadedmetadata', 'emptied']) video.addEventListener(type, follow, { signal });
    signal.addEventListener('abort', () => sizes.disconnect());
    cover();
    follow();
  }
}

if (!customElements.get('danmaku-stage')) customElements.define('danmaku-stage', DanmakuStage);
