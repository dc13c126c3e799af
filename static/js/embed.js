/**
 * `<danmaku-stage>`: a room's comments over any video of any page.
 *
 *   <script type="module" src="https://chat.example/static/js/embed.js"></script>
 *   <video id="show" …></video>
 *   <danmaku-stage room="demo" for="show"></danmaku-stage>
 *
 * Attributes: `room`; `for`, the id of the video that it covers (without it the element keeps its own box); `src`, the server,
 * when this module comes from another one; and the look, with the overlay's parameters (`size`, `speed`, `area`, …). The comments
 * stop while the video is paused. The page's origin must be among the server's `--allowed-origins`.
 * Event: `comment-click`, as the stage's. Property: `stage`. The address of this module is public and must not change.
 */

import { DEFAULT_LOOK, readLook } from './overlay/look.js';
import { OverlayViewer } from './overlay/overlay-viewer.js';
import { SERVER, parseServer } from './page/server.js';

const STYLE = new URL('../css/stage.css', import.meta.url).href;
const CONTROLS_PX = 72; // the height of a browser's own controls

/** The origin of an element's absolute position, relative to the viewport. @param {HTMLElement} element */
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

  /** @type {OverlayViewer | null} */
  #viewer = null;
  /** @type {AbortController | null} */
  #abort = null;
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

  /** The stage; null before it is created. */
  get stage() {
    return this.#viewer?.stage ?? null;
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
    if (name in DEFAULT_LOOK) this.#viewer?.setLook(this.#look());
    else this.#start();
  }

  #look() {
    return readLook((name) => this.getAttribute(name));
  }

  async #start() {
    this.#stop();
    const room = this.getAttribute('room');
    if (!room) return;
    const abort = new AbortController();
    this.#abort = abort;
    await this.#ready; // comments are measured with the style sheet applied
    if (abort.signal.aborted) return;
    const element = document.createElement('div');
    element.dataset.role = 'stage';
    this.#root.append(element);
    const server = parseServer(this.getAttribute('src') || SERVER);
    const viewer = new OverlayViewer(element, { room, server, look: this.#look() });
    this.#viewer = viewer;
    viewer.stage.addEventListener('comment-click', (event) => {
      this.dispatchEvent(new CustomEvent('comment-click', { detail: /** @type {CustomEvent} */ (event).detail }));
    });
    abort.signal.addEventListener('abort', () => {
      viewer.stop();
      element.remove();
      this.#viewer = null;
    });
    this.#attach(abort.signal);
  }

  #stop() {
    this.#abort?.abort();
    this.#abort = null;
  }

  /** Covers the video, follows its size and position, and pauses with it. @param {AbortSignal} signal */
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
    sizes.observe(document.documentElement); // a change of layout can move the video without resizing it
    addEventListener('resize', cover, { signal });
    const follow = () => {
      const stage = this.#viewer?.stage;
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
