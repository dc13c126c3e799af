/**
 * What plays in the frame: mp4 and webm, HLS where the browser plays it or with hls.js where the server has it, and the test
 * card when there is nothing to play. It begins without sound when the browser insists. It does not choose what to play.
 *
 * Events: `change`, whenever what plays, its sound or its pause changed; `time`, as it goes on.
 */

import { t } from '../page/i18n.js';

/** @typedef {import('../page/preferences.js').Preferences} Preferences */

const HLS_MODULE = '/vendor/hls.js';
const HLS_TYPE = 'application/vnd.apple.mpegurl';

export class Video extends EventTarget {
  #video;
  #testcard;
  #preferences;
  #url = '';
  /** @type {any} the running Hls, when there is one */
  #hls = null;
  /** A sentence when the video cannot be shown, '' otherwise. */
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
      video.addEventListener(type, () => this.#changed());
    }
    video.addEventListener('timeupdate', () => this.dispatchEvent(new Event('time')));
    video.addEventListener('error', () => this.#fail(t('video.failed')));
    preferences.addEventListener('change', () => this.#applySound());
    this.#applySound();
  }

  /** Whether there is a video, not the test card. */
  get shown() {
    return this.#url !== '' && this.failure === '';
  }

  get paused() {
    return this.shown && this.#video.paused;
  }

  get muted() {
    return this.#video.muted;
  }

  /** Seconds behind the live edge; null when it is no live stream, or not known. @returns {number | null} */
  get behindSeconds() {
    if (!this.shown) return null;
    if (Number.isFinite(this.#hls?.latency) && this.#hls.latency > 0) return this.#hls.latency;
    const { duration, seekable, currentTime } = this.#video;
    return duration === Infinity && seekable.length > 0 ? Math.max(0, seekable.end(seekable.length - 1) - currentTime) : null;
  }

  get live() {
    return this.shown && (this.#video.duration === Infinity || this.#hls?.latestLevelDetails?.live === true);
  }

  /** Shows `url`, or the test card for ''. @param {string} url */
  async load(url) {
    if (url === this.#url) return;
    this.#url = url;
    this.failure = '';
    this.#hls?.destroy();
    this.#hls = null;
    this.#video.removeAttribute('src');
    this.#video.load(); // or the last one would be heard on, unseen
    this.#changed();
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
      // Browsers start a sound only after a gesture; a picture without sound is the better beginning.
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
    if (this.#url !== url) return; // another one was chosen meanwhile
    if (!Hls?.isSupported()) return this.#fail(t('video.no_hls'));
    this.#hls = new Hls({ enableWorker: false }); // its worker would be a script from a blob, which the page's policy forbids
    this.#hls.on(Hls.Events.ERROR, (/** @type {unknown} */ _, /** @type {{fatal: boolean}} */ { fatal }) => fatal && this.#fail(t('video.failed')));
    this.#hls.loadSource(url);
    this.#hls.attachMedia(this.#video);
  }

  /** @param {string} sentence */
  #fail(sentence) {
    if (this.#url === '') return;
    this.failure = sentence;
    this.#changed();
  }

  #applySound() {
    const { muted, volume } = this.#preferences.values;
    this.#video.muted = muted;
    this.#video.volume = volume;
  }

  #changed() {
    this.#video.hidden = !this.shown;
    this.#testcard.hidden = this.shown;
    this.dispatchEvent(new Event('change'));
  }
}
