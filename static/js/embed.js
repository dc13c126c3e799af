/**
 * `<danmaku-stage>`: a room's comments over any video of any page.
 *
 *   <script type="module" src="https://chat.example/static/js/embed.js"></script>
 *   <video id="show" …></video>
 *   <danmaku-stage room="demo" for="show"></danmaku-stage>
 *
 * Attributes: `room`; `for`, the id of the video that it covers, which may come later or be replaced (without it the element
 * keeps its own box); `src`, the server, when this module comes from another one; and the look, with the overlay's parameters
 * (`size`, `speed`, `area`, …). The comments stand while the video is paused or, unless it is live, waits for data. The page's
 * origin must be among the server's `--allowed-origins`; a page from a file or in a sandbox has none.
 * Event: `comment-click`, as the stage's. Property: `stage`. The address of this module is public and must not change.
 */

import { DEFAULT_LOOK, readLook } from './overlay/look.js';
import { OverlayViewer } from './overlay/overlay-viewer.js';
import { SERVER, parseServer } from './page/server.js';
import { VideoCover } from './overlay/video-cover.js';
import { PLAYBACK_EVENTS, isLive, playbackOf } from './stage/playback.js';

const STYLE = new URL('../css/stage.css', import.meta.url).href;
const CONTROLS_PX = 72; // the height of a browser's own controls

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
    if (self.origin === 'null') console.warn('danmaku-stage: this page has no origin, since it is a file or in a sandbox. The server refuses it.');
    const element = document.createElement('div');
    element.dataset.role = 'stage';
    this.#root.append(element);
    const server = parseServer(this.getAttribute('src') || SERVER);
    const viewer = new OverlayViewer(element, {
      room,
      server,
      look: this.#look(),
      ended: ({ reason, message }) => console.warn(`danmaku-stage: the server refused this page, so it stays empty: ${message || reason}`),
    });
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

  /** Covers the video that `for` names, now or later, and follows it. @param {AbortSignal} signal */
  #attach(signal) {
    const id = this.getAttribute('for');
    if (!id) return;
    const root = this.getRootNode();
    const find = () => {
      const found = root instanceof Document || root instanceof ShadowRoot ? root.getElementById(id) : null;
      return found instanceof HTMLVideoElement ? found : null;
    };
    let playback = new AbortController();
    signal.addEventListener('abort', () => playback.abort());
    new VideoCover(
      this,
      find,
      (video) => {
        playback.abort();
        playback = new AbortController();
        this.#followPlayback(video, playback.signal);
      },
      signal,
    );
  }

  /** @param {HTMLVideoElement | null} video @param {AbortSignal} signal */
  #followPlayback(video, signal) {
    const follow = () => {
      this.stage?.setPlayback(video ? playbackOf(video) : 'playing', { live: video !== null && isLive(video) });
      this.stage?.configure({ barPx: video?.controls ? CONTROLS_PX : 0 });
    };
    for (const type of PLAYBACK_EVENTS) video?.addEventListener(type, follow, { signal });
    follow();
  }
}

if (!customElements.get('danmaku-stage')) customElements.define('danmaku-stage', DanmakuStage);
