/**
 * Plays the room's video and shows the test card when there is none. It starts muted when the browser requires that, and tries a
 * video that failed again (media-state.js).
 *
 * Events: `change`, when its state, its sound or whether it is live may have changed; `time`, while it plays.
 */

import { hasText, t } from '../page/i18n.js';
import { NO_MEDIA, STUCK_MS, hasPicture, step } from './media-state.js';
import { VideoSource, isStreaming } from './video-source.js';

/** @typedef {import('../page/preferences.js').Preferences} Preferences */

/** The element's events that are events of the state. @type {Record<string, string>} */
const STATE_EVENTS = { playing: 'playing', pause: 'pause', waiting: 'waiting', ended: 'ended', loadeddata: 'loaded', error: 'error' };

export class Video extends EventTarget {
  #video;
  #testcard;
  #preferences;
  #source;
  #url = '';
  #media = NO_MEDIA;
  /** Where a film failed, in seconds. */
  #position = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retryTimer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #stuckTimer;

  /**
   * @param {{video: HTMLVideoElement, testcard: HTMLElement}} elements
   * @param {Preferences} preferences
   */
  constructor({ video, testcard }, preferences) {
    super();
    this.#video = video;
    this.#testcard = testcard;
    this.#preferences = preferences;
    this.#source = new VideoSource(video, { failed: (type) => this.#handle(type), loaded: () => this.#watch() });
    for (const [type, event] of Object.entries(STATE_EVENTS)) {
      video.addEventListener(type, () => type === 'pause' && video.ended ? undefined : this.#handle(event)); // a film pauses as it ends
    }
    for (const type of ['volumechange', 'durationchange']) video.addEventListener(type, () => this.#update());
    video.addEventListener('loadedmetadata', () => this.#seek());
    video.addEventListener('progress', () => this.live || this.#watch()); // of a live stream only the picture counts
    video.addEventListener('timeupdate', () => {
      this.#watch();
      this.#source.notePlaying(this.#url);
      this.dispatchEvent(new Event('time'));
    });
    addEventListener('online', () => this.state === 'failed' && this.#handle('due'));
    document.addEventListener('visibilitychange', () => this.#watch());
    preferences.addEventListener('change', () => this.#applySound());
    this.#applySound();
  }

  /** What it does. */
  get state() {
    return this.#media.value;
  }

  /** Whether the video is shown and not the test card. */
  get shown() {
    return hasPicture(this.state);
  }

  get paused() {
    return this.state === 'paused' || this.state === 'ended';
  }

  /** What the comments over it follow; where there is no picture, none stand. @returns {import('../stage/playback.js').Playback} */
  get playback() {
    const { state } = this;
    const standsStill = state === 'waiting' && this.#video.readyState > HTMLMediaElement.HAVE_NOTHING;
    return state === 'paused' || state === 'ended' || standsStill ? state : 'playing';
  }

  get muted() {
    return this.#video.muted;
  }

  /** Seconds behind the live edge; null when it is no live stream or unknown. @returns {number | null} */
  get behindSeconds() {
    return this.shown ? this.#source.behindSeconds : null;
  }

  get live() {
    return this.shown && this.#source.live;
  }

  /** What the viewer is told while the video does not play by itself: that it waits for data, or why it failed. */
  get notice() {
    if (this.#media.unsupported) return t('video.no_hls');
    return hasText(`video.${this.state}`) ? t(`video.${this.state}`) : '';
  }

  /** Plays `url`; '' shows the test card. @param {string} url */
  load(url) {
    if (url === this.#url) return;
    this.#url = url;
    this.#position = 0;
    this.#source.close(); // the previous one would play on unseen
    this.#handle(url === '' ? 'clear' : 'load');
  }

  /** Tries a video that failed again now, or plays one again that has ended. */
  retry() {
    this.#handle('retry');
  }

  togglePlay() {
    if (!this.#video.paused) this.#video.pause();
    else if (this.state === 'ended' && this.#source.wasLive) this.retry();
    else this.#play();
  }

  toggleMute() {
    const muted = !this.#video.muted;
    this.#preferences.set({ muted, ...(!muted && this.#video.volume === 0 && { volume: 1 }) });
  }

  /** @param {string} type an event of the state */
  #handle(type) {
    const { state, actions } = step(this.#media, { type, at: performance.now(), live: this.#source.wasLive });
    if (state.value === 'failed' && this.shown && !this.#source.live) this.#position = this.#video.currentTime;
    if (state.value === 'playing') this.#position = 0;
    if (state.value !== this.#media.value) clearTimeout(this.#retryTimer);
    this.#media = state;
    for (const action of actions) this.#do(action);
    this.#watch();
    this.#update();
  }

  /** @param {import('./media-state.js').MediaAction} action */
  #do({ type, attempt = 0, play = true, least = 0, most = 0 }) {
    clearTimeout(this.#retryTimer);
    if (type === 'close') this.#source.close();
    else if (type === 'open') this.#open(attempt, play);
    else if (type === 'look') this.#look();
    else this.#retryTimer = setTimeout(() => this.#handle('due'), least + Math.random() * (most - least));
  }

  /** @param {number} attempt @param {boolean} play */
  async #open(attempt, play) {
    const url = this.#url;
    await this.#source.open(url, attempt);
    if (play && this.#url === url) await this.#play();
  }

  async #look() {
    const url = this.#url;
    const streaming = await isStreaming(url);
    if (this.#url === url && this.state === 'ended') this.#handle(streaming ? 'retry' : 'ended');
  }

  async #play() {
    try {
      await this.#video.play();
    } catch (error) {
      // Browsers start sound only after a user gesture: play muted instead.
      if (!(error instanceof DOMException) || error.name !== 'NotAllowedError') return;
      if (this.#video.muted) return this.#handle('pause');
      this.#video.muted = true;
      await this.#play();
    }
  }

  /** Goes on with a film where it failed. */
  #seek() {
    if (this.#position > 0 && this.#position < this.#video.duration && !this.#source.live) this.#video.currentTime = this.#position;
  }

  /** Waits for the picture to move, or for data: when neither happens for a while, the video has failed without an error. */
  #watch() {
    clearTimeout(this.#stuckTimer);
    if (document.hidden || !['waiting', 'playing', 'retrying'].includes(this.state)) return;
    this.#stuckTimer = setTimeout(() => this.#handle('stuck'), STUCK_MS);
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
