/**
 * Feeds a video element from an address: mp4 and webm, and HLS by the browser itself or by hls.js, where the server has it. It
 * reports failures and never tries again by itself.
 */

import { SERVER } from '../page/server.js';

const HLS_MODULE = `${SERVER}/vendor/hls.js`;
const HLS_TYPE = 'application/vnd.apple.mpegurl';
const LOOK_TIMEOUT_MS = 5_000;

/**
 * @typedef {object} SourceListener
 * @property {(type: 'error' | 'unsupported') => void} failed  unsupported: the browser cannot play it, and hls.js is not there
 * @property {() => void} loaded                               another part of an HLS stream was loaded
 */

export class VideoSource {
  #video;
  #listener;
  #opened = 0;
  /** @type {any} the running Hls, when there is one */
  #hls = null;
  /** Whether it was ever a live HLS stream since it was opened. */
  wasLive = false;

  /** @param {HTMLVideoElement} video @param {SourceListener} listener */
  constructor(video, listener) {
    this.#video = video;
    this.#listener = listener;
  }

  /** Whether it is a live stream. */
  get live() {
    return this.#video.duration === Infinity || this.#hls?.latestLevelDetails?.live === true;
  }

  /** Seconds behind the live edge; null when it is no live stream or unknown. @returns {number | null} */
  get behindSeconds() {
    if (Number.isFinite(this.#hls?.latency) && this.#hls.latency > 0) return this.#hls.latency;
    const { duration, seekable, currentTime } = this.#video;
    return duration === Infinity && seekable.length > 0 ? Math.max(0, seekable.end(seekable.length - 1) - currentTime) : null;
  }

  /**
   * @param {string} url
   * @param {number} attempt HLS that the browser failed to play is tried with hls.js next, and the other way round
   */
  async open(url, attempt) {
    this.close();
    const opened = this.#opened;
    const native = this.#video.canPlayType(HLS_TYPE) !== '';
    const hls = isHls(url) && (!native || attempt % 2 === 1);
    const Hls = hls ? await loadHls() : null;
    if (opened !== this.#opened) return; // closed or opened again meanwhile
    if (Hls) this.#attach(Hls, url);
    else if (hls && !native) this.#listener.failed('unsupported');
    else this.#video.src = url;
  }

  /** Call it while the video plays. @param {string} url */
  notePlaying(url) {
    this.wasLive ||= isHls(url) && this.live;
  }

  /** Stops it: nothing is loaded or heard any more. */
  close() {
    this.#opened += 1;
    this.wasLive = false;
    this.#hls?.destroy();
    this.#hls = null;
    this.#video.removeAttribute('src');
    this.#video.load();
  }

  /** @param {any} Hls @param {string} url */
  #attach(Hls, url) {
    const hls = new Hls({ enableWorker: false }); // the worker is a blob: script, which the Content-Security-Policy forbids
    hls.on(Hls.Events.ERROR, (/** @type {unknown} */ _, /** @type {{fatal: boolean}} */ { fatal }) => {
      if (fatal && hls === this.#hls) this.#listener.failed('error');
    });
    hls.on(Hls.Events.FRAG_LOADED, () => this.#listener.loaded());
    hls.loadSource(url);
    hls.attachMedia(this.#video);
    this.#hls = hls;
  }
}

/** The class of hls.js, or null where it is not there or the browser lacks what it needs. @returns {Promise<any>} */
async function loadHls() {
  try {
    const loaded = await import(HLS_MODULE);
    const Hls = loaded.default ?? /** @type {any} */ (globalThis).Hls;
    return Hls?.isSupported() ? Hls : null;
  } catch {
    return null;
  }
}

/** @param {string} url */
function isHls(url) {
  return /\.m3u8(\?|$)/i.test(url);
}

/**
 * Whether a live stream is at an address where one has ended. A playlist of several qualities does not tell.
 * @param {string} url
 */
export async function isStreaming(url) {
  try {
    const response = await fetch(url, { cache: 'no-store', signal: AbortSignal.timeout(LOOK_TIMEOUT_MS) });
    const playlist = response.ok ? await response.text() : '';
    return playlist.includes('#EXTINF') && !playlist.includes('#EXT-X-ENDLIST');
  } catch {
    return false;
  }
}
