/**
 * Plays the room's video: mp4 and webm, HLS where the browser supports it or with hls.js where the server has it; shows the test
 * card when there is none. It starts muted when the browser requires that.
 *
 * Events: `change`, when the video, its sound or its paused state changed; `time`, while it plays.
 */

import { t } from '../page/i18n.js';
import { SERVER } from '../page/server.js';

/** @typedef {import('../page/preferences.js').Preferences} Preferences */

const HLS_MODULE = `${SERVER}/vendor/hls.js`;
const HLS_TYPE = 'application/vnd.apple.mpegurl';

export class Video extends EventTarget {
  #video;
  #testcard;
  #preferences;
  #url = '';
  /** @type {any} the running Hls, when there is one */
  #hls = null;
  /** A message when the video cannot be played, '' otherwise. */
  failure = '';

  /**
   * @param {{video: HTMLVideoElement, testcard: HTMLElement}} elements
   * @param {Preferences} preferences
   */
  constructor({ video, testcard }, preferences) {
    super();
    this.#video = video;
    this.#testcard = testcard;
    this.#preferences = preferences;
    for (const type of ['play', 'pause', 'volumechange', 'durationchange', 'loadeddata']) {
      video.addEventListener(type, () => this.#update());
    }
    video.addEventListener('timeupdate', () => this.dispatchEvent(new Event('time')));
    video.addEventListener('error', () => this.#fail(t('video.failed')));
    preferences.addEventListener('change', () => this.#applySound());
    this.#applySound();
  }

  /** Whether the video is shown and not the test card. */
  get shown() {
    return this.#url !== '' && this.failure === '';
  }

  get paused() {
    return this.shown && this.#video.paused;
  }

  get muted() {
    return this.#video.muted;
  }

  /** Seconds behind the live edge; null when it is no live stream or unknown. @returns {number | null} */
  get behindSeconds() {
    if (!this.shown) return null;
    if (Number.isFinite(this.#hls?.latency) && this.#hls.latency > 0) return this.#hls.latency;
    const { duration, seekable, currentTime } = this.#video;
    return duration === Infinity && seekable.length > 0 ? Math.max(0, seekable.end(seekable.length - 1) - currentTime) : null;
  }

  get live() {
    return this.shown && (this.#video.duration === Infinity || this.#hls?.latestLevelDetails?.live === true);
  }

  /** Plays `url`; '' shows the test card. @param {string} url */
  async load(url) {
    if (url === this.#url) return;
    this.#url = url;
    this.failure = '';
    this.#hls?.destroy();
    this.#hls = null;
    this.#video.removeAttribute('src');
    this.#video.load(); // stops the previous one, which would play on unseen
    this.#update();
    if (url === '') return;
    const hls = /\.m3u8(\?|$)/i.test(url) && !this.#video.canPlayType(HLS_TYPE);
    if (hls) await this.#loadHls(url);
    else this.#video.src = url;
    if (this.#url === url && this.failure === '') await this.play();
  }

  async play() {
    try {
      await this.#video.play();
    } catch (error) {
      // Browsers start sound only after a user gesture: play muted instead.
      if (!(error instanceof DOMException) || error.name !== 'NotAllowedError' || this.#video.muted) return;
      this.#video.muted = true;
      await this.#video.play().catch(() => {});
    }
  }

  togglePlay() {
    if (this.#video.paused) this.play();
    else this.#video.pause();
  }

  toggleMute() {
    const muted = !this.#video.muted;
    this.#preferences.set({ muted, ...(!muted && this.#video.volume === 0 && { volume: 1 }) });
  }

  /** @param {string} url */
  async #loadHls(url) {
    let Hls;
    try {
      const loaded = await import(HLS_MODULE);
      Hls = loaded.default ?? /** @type {any} */ (globalThis).Hls;
    } catch {
      return this.#fail(t('video.no_hls'));
    }
    if (this.#url !== url) return; // another video was loaded meanwhile
    if (!Hls?.isSupported()) return this.#fail(t('video.no_hls'));
    this.#hls = new Hls({ enableWorker: false }); // the worker is a blob: script, which the Content-Security-Policy forbids
    this.#hls.on(Hls.Events.ERROR, (/** @type {unknown} */ _, /** @type {{fatal: boolean}} */ { fatal }) => fatal && this.#fail(t('video.failed')));
    this.#hls.loadSource(url);
    this.#hls.attachMedia(this.#video);
  }

  /** @param {string} message */
  #fail(message) {
    if (this.#url === '') return;
    this.failure = message;
    this.#update();
  }

  #applySound() {
    const { muted, volume } = this.#preferences.values;
    this.#video.muted = muted;
    this.#video.volume = volume;
  }

  #update() {
    this.#video.hidden = !this.shown;
    this.#testcard.hidden = this.shown;
    this.dispatchEvent(new Event('change'));
  }
}
