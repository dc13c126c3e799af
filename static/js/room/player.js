/**
 * The picture's frame: the bar over its foot, sound, danmaku on and off, theatre, fullscreen. It knows the page's frame, the
 * stage and the video, and ties them: a video that stands still holds the stage still.
 */

import { find, makeIcon } from '../page/dom.js';
import { formatNumber, t } from '../page/i18n.js';

/** @typedef {import('../page/preferences.js').Preferences} Preferences */

const IDLE_MS = 2600;

export class Player {
  #main;
  #preferences;
  #stage;
  #video;
  #beat;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #idleTimer;

  /**
   * @param {HTMLElement} main the page's frame: screen, composer, transcript
   * @param {object} options
   * @param {Preferences} options.preferences
   * @param {import('../stage/stage.js').Stage} options.stage
   * @param {import('./video.js').Video} options.video
   * @param {import('../page/render-scheduler.js').Beat} options.beat
   */
  constructor(main, { preferences, stage, video, beat }) {
    this.#main = main;
    this.#preferences = preferences;
    this.#stage = stage;
    this.#video = video;
    this.#beat = beat;
    const screen = find('screen', main);

    find('play', main).addEventListener('click', () => video.togglePlay());
    find('mute', main).addEventListener('click', () => video.toggleMute());
    const volume = /** @type {HTMLInputElement} */ (find('volume', main));
    volume.addEventListener('input', () => preferences.set({ volume: Number(volume.value), muted: volume.value === '0' }));
    video.addEventListener('change', () => this.#show());
    video.addEventListener('time', () => beat.request(this.#showOnAir));
    find('stage-switch', main).addEventListener('click', () => this.toggleDanmaku());
    find('theatre', main).addEventListener('click', () => this.toggleTheatre());
    find('fullscreen', main).addEventListener('click', () => this.toggleFullscreen());
    document.addEventListener('fullscreenchange', () => this.#show());
    preferences.addEventListener('change', () => this.#show());

    screen.addEventListener('pointermove', (event) => event.pointerType === 'mouse' && this.#wake());
    screen.addEventListener('pointerleave', (event) => event.pointerType === 'mouse' && this.#sleep());
    screen.addEventListener('pointerup', (event) => this.#touched(event));
    screen.addEventListener('dblclick', (event) => this.#onPicture(event) && this.toggleFullscreen());
    this.#show();
  }

  toggleDanmaku() {
    this.#preferences.set({ danmaku: !this.#preferences.values.danmaku });
  }

  toggleTheatre() {
    this.#preferences.set({ theatre: !this.#preferences.values.theatre });
  }

  toggleMute() {
    if (this.#video.shown) this.#video.toggleMute();
  }

  toggleFullscreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.#main.requestFullscreen?.().catch(() => {}); // refused without a gesture: nothing to tell
  }

  /** Whether an event fell on the picture itself, not on the bar or a comment. @param {Event} event */
  #onPicture(event) {
    return event.target instanceof Element && !event.target.closest('button, input, [data-role="comment"]');
  }

  #wake() {
    this.#main.classList.add('active');
    this.#main.classList.remove('idle');
    clearTimeout(this.#idleTimer);
    this.#idleTimer = setTimeout(() => {
      this.#sleep();
      this.#main.classList.add('idle');
    }, IDLE_MS);
  }

  #sleep() {
    clearTimeout(this.#idleTimer);
    if (this.#main.querySelector('[data-role="player-bar"]:hover')) return;
    this.#main.classList.remove('active');
  }

  /** A finger shows the bar with one tap on the picture and puts it away with the next. @param {PointerEvent} event */
  #touched(event) {
    if (event.pointerType === 'mouse') return;
    if (this.#onPicture(event) && this.#main.classList.contains('active')) this.#sleep();
    else this.#wake();
  }

  #show() {
    const { danmaku, theatre, volume } = this.#preferences.values;
    const { shown, paused, muted, failure } = this.#video;
    const fullscreen = document.fullscreenElement !== null;
    this.#main.classList.toggle('theatre', theatre);
    this.#stage.setVisible(danmaku);
    this.#stage.setPaused(paused);
    const notice = find('video-notice', this.#main);
    notice.textContent = failure;
    notice.hidden = failure === '';
    for (const role of ['play', 'mute', 'volume']) find(role, this.#main).hidden = !shown;
    /** @type {HTMLInputElement} */ (find('volume', this.#main)).value = muted ? '0' : String(volume);
    setButton(find('play', this.#main), paused ? 'play' : 'pause', t('player.play'), '', !paused);
    setButton(find('mute', this.#main), muted ? 'muted' : 'sound', t('player.sound'), 'M', !muted);
    setButton(find('stage-switch', this.#main), danmaku ? 'flying' : 'flying-off', t('player.danmaku'), 'D', danmaku);
    setButton(find('theatre', this.#main), 'theatre', t('player.theatre'), 'T', theatre);
    setButton(find('fullscreen', this.#main), fullscreen ? 'fullscreen-exit' : 'fullscreen', t('player.fullscreen'), 'F', fullscreen);
    this.#beat.request(this.#showOnAir);
  }

  #showOnAir = () => {
    const onAir = find('on-air', this.#main);
    const { shown, live, behindSeconds } = this.#video;
    const behind = behindSeconds === null ? 0 : Math.round(behindSeconds);
    const text = !shown ? t('player.no_stream') : !live ? '' : behind > 0 ? t('player.live_behind', { n: formatNumber(behind) }) : t('player.live');
    onAir.dataset.live = String(live);
    onAir.hidden = text === '';
    const words = find('on-air-text', onAir);
    if (words.textContent !== text) words.textContent = text;
  };
}

/**
 * @param {HTMLElement} button
 * @param {string} icon
 * @param {string} label
 * @param {string} key the key that does the same, or ''
 * @param {boolean} pressed
 */
export function setButton(button, icon, label, key, pressed) {
  button.setAttribute('aria-pressed', String(pressed));
  button.setAttribute('aria-label', label);
  button.title = key ? `${label} (${key})` : label;
  if (button.dataset.icon === icon) return;
  button.dataset.icon = icon;
  button.replaceChildren(makeIcon(icon));
}
