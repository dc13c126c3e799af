/**
 * The picture's frame: the bar over its foot, danmaku on and off, theatre, fullscreen. It knows the page's frame and the
 * stage; what plays in the frame is video.js's.
 */

import { find, makeIcon } from './elements.js';
import { t } from './i18n.js';

/** @typedef {import('./preferences.js').Preferences} Preferences */

const IDLE_MS = 2600;

export class Player {
  #main;
  #preferences;
  #stage;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #idleTimer;

  /**
   * @param {HTMLElement} main the page's frame: screen, composer, transcript
   * @param {{preferences: Preferences, stage: import('./stage.js').Stage}} options
   */
  constructor(main, { preferences, stage }) {
    this.#main = main;
    this.#preferences = preferences;
    this.#stage = stage;
    const screen = find('screen', main);

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
    const { danmaku, theatre } = this.#preferences.values;
    const fullscreen = document.fullscreenElement !== null;
    this.#main.classList.toggle('theatre', theatre);
    this.#stage.setVisible(danmaku);
    setButton(find('stage-switch', this.#main), danmaku ? 'flying' : 'flying-off', t('player.danmaku'), 'D', danmaku);
    setButton(find('theatre', this.#main), 'theatre', t('player.theatre'), 'T', theatre);
    setButton(find('fullscreen', this.#main), fullscreen ? 'fullscreen-exit' : 'fullscreen', t('player.fullscreen'), 'F', fullscreen);
  }
}

/**
 * @param {HTMLElement} button
 * @param {string} icon
 * @param {string} label
 * @param {string} key the key that does the same
 * @param {boolean} pressed
 */
export function setButton(button, icon, label, key, pressed) {
  button.setAttribute('aria-pressed', String(pressed));
  button.setAttribute('aria-label', label);
  button.title = `${label} (${key})`;
  if (button.dataset.icon === icon) return;
  button.dataset.icon = icon;
  button.replaceChildren(makeIcon(icon));
}
