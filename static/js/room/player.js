/**
 * The player bar: play, sound, danmaku on and off, theatre mode, fullscreen. It connects the page, the stage and the video: the
 * stage follows the video's playback.
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
  #scheduler;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #idleTimer;

  /**
   * @param {HTMLElement} main contains the screen, the composer and the transcript
   * @param {object} options
   * @param {Preferences} options.preferences
   * @param {import('../stage/stage.js').Stage} options.stage
   * @param {import('./video.js').Video} options.video
   * @param {import('../page/render-scheduler.js').RenderScheduler} options.scheduler
   */
  constructor(main, { preferences, stage, video, scheduler }) {
    this.#main = main;
    this.#preferences = preferences;
    this.#stage = stage;
    this.#video = video;
    this.#scheduler = scheduler;
    const screen = find('screen', main);

    find('play', main).addEventListener('click', () => video.togglePlay());
    find('mute', main).addEventListener('click', () => video.toggleMute());
    const volume = /** @type {HTMLInputElement} */ (find('volume', main));
    volume.addEventListener('input', () => preferences.set({ volume: Number(volume.value), muted: volume.value === '0' }));
    find('video-retry', main).addEventListener('click', () => video.retry());
    video.addEventListener('change', () => this.#update());
    video.addEventListener('time', () => scheduler.request(this.#updateOnAir));
    find('stage-switch', main).addEventListener('click', () => this.toggleDanmaku());
    find('theatre', main).addEventListener('click', () => this.toggleTheatre());
    find('fullscreen', main).addEventListener('click', () => this.toggleFullscreen());
    document.addEventListener('fullscreenchange', () => this.#update());
    preferences.addEventListener('change', () => this.#update());

    screen.addEventListener('pointermove', (event) => event.pointerType === 'mouse' && this.#showBar());
    screen.addEventListener('pointerleave', (event) => event.pointerType === 'mouse' && this.#hideBar());
    screen.addEventListener('pointerup', (event) => this.#onTouch(event));
    screen.addEventListener('dblclick', (event) => this.#isPicture(event) && this.toggleFullscreen());
    this.#update();
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
    else this.#main.requestFullscreen?.().catch(() => {}); // rejected without a user gesture
  }

  /** Whether the target of an event is the picture, not a control or a comment. @param {Event} event */
  #isPicture(event) {
    return event.target instanceof Element && !event.target.closest('button, input, [data-role="comment"]');
  }

  #showBar() {
    this.#main.classList.add('active');
    this.#main.classList.remove('idle');
    clearTimeout(this.#idleTimer);
    this.#idleTimer = setTimeout(() => {
      this.#hideBar();
      this.#main.classList.add('idle');
    }, IDLE_MS);
  }

  #hideBar() {
    clearTimeout(this.#idleTimer);
    if (this.#main.querySelector('[data-role="player-bar"]:hover')) return;
    this.#main.classList.remove('active');
  }

  /** A tap on the picture shows the bar, the next one hides it. @param {PointerEvent} event */
  #onTouch(event) {
    if (event.pointerType === 'mouse') return;
    if (this.#isPicture(event) && this.#main.classList.contains('active')) this.#hideBar();
    else this.#showBar();
  }

  #update() {
    const { danmaku, theatre, volume } = this.#preferences.values;
    const { shown, paused, playback, live, muted, notice: message, state } = this.#video;
    const fullscreen = document.fullscreenElement !== null;
    this.#main.classList.toggle('theatre', theatre);
    this.#stage.setVisible(danmaku);
    this.#stage.setPlayback(playback, { live });
    const notice = find('video-notice', this.#main);
    find('video-notice-text', notice).textContent = message;
    notice.hidden = message === '';
    const retry = /** @type {HTMLButtonElement} */ (find('video-retry', notice));
    retry.disabled = state === 'retrying';
    retry.hidden = state === 'waiting';
    this.#main.dataset.video = state;
    for (const role of ['play', 'mute', 'volume']) find(role, this.#main).hidden = !shown;
    /** @type {HTMLInputElement} */ (find('volume', this.#main)).value = muted ? '0' : String(volume);
    setButton(find('play', this.#main), paused ? 'play' : 'pause', t('player.play'), '', !paused);
    setButton(find('mute', this.#main), muted ? 'muted' : 'sound', t('player.sound'), 'M', !muted);
    setButton(find('stage-switch', this.#main), danmaku ? 'flying' : 'flying-off', t('player.danmaku'), 'D', danmaku);
    setButton(find('theatre', this.#main), 'theatre', t('player.theatre'), 'T', theatre);
    setButton(find('fullscreen', this.#main), fullscreen ? 'fullscreen-exit' : 'fullscreen', t('player.fullscreen'), 'F', fullscreen);
    this.#scheduler.request(this.#updateOnAir);
  }

  #updateOnAir = () => {
    const onAir = find('on-air', this.#main);
    const { shown, live, behindSeconds } = this.#video;
    const behind = behindSeconds === null ? 0 : Math.round(behindSeconds);
    const text = !shown ? t('player.no_stream') : !live ? '' : behind > 0 ? t('player.live_behind', { n: formatNumber(behind) }) : t('player.live');
    onAir.dataset.live = String(live);
    onAir.hidden = text === '';
    const label = find('on-air-text', onAir);
    if (label.textContent !== text) label.textContent = text;
  };
}

/**
 * @param {HTMLElement} button
 * @param {string} icon
 * @param {string} label
 * @param {string} key its keyboard shortcut, or ''
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
