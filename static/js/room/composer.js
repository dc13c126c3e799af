/**
 * Where a viewer speaks. It counts as the server counts, sends on Enter but not on an input method's Enter, keeps what was
 * refused, and counts the wait down when the room is slow. What a comment looks like is chosen in look.js.
 */

import { find } from '../page/dom.js';
import { countBytes, countGraphemes, isOverloaded } from './graphemes.js';
import { hasText, t } from '../page/i18n.js';
import { TEXT_BYTES, TEXT_GRAPHEMES } from '../connection/wire.js';

/** @typedef {import('../connection/connection.js').Connection} Connection */
/** @typedef {import('../connection/wire.js').Post} Post */

const NEAR_LIMIT = 80;
const SAID_MOST = 50;

/** The sentence of a rejection in the page's language. @param {{code: string, message: string}} rejection */
export function sentenceOf({ code, message }) {
  return hasText(`reject.${code}`) ? t(`reject.${code}`) : message || t('reject.other');
}

export class Composer {
  #connection;
  #look;
  #beat;
  #field;
  #count;
  #send;
  #wait;
  #hint;
  /** @type {string[]} what was said here, for the arrow keys; the newest last */
  #said = [];
  #recalled = -1;
  #draft = '';
  #slowSeconds = 0;
  #slowSince = -Infinity;
  #freeAt = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {HTMLFormElement} form
   * @param {{connection: Connection, beat: import('../page/render-scheduler.js').Beat, look: () => Partial<Post>}} options
   */
  constructor(form, { connection, beat, look }) {
    this.#connection = connection;
    this.#beat = beat;
    this.#look = look;
    this.#field = /** @type {HTMLInputElement} */ (find('text', form));
    this.#count = find('count', form);
    this.#send = /** @type {HTMLButtonElement} */ (find('send', form));
    this.#wait = find('send-wait', form);
    this.#hint = find('composer-hint', form);
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#say();
    });
    this.#field.addEventListener('keydown', (event) => this.#key(event));
    this.#field.addEventListener('input', () => {
      this.#recalled = -1;
      this.#tell('');
      this.#showCount();
    });
    connection.addEventListener('accepted', (event) => this.#accepted(/** @type {CustomEvent} */ (event).detail));
    connection.addEventListener('rejected', (event) => this.#rejected(/** @type {CustomEvent} */ (event).detail));
    connection.addEventListener('state', () => {
      if (connection.state === 'live' && this.#hint.dataset.tone === 'kept') this.#tell('');
    });
  }

  focus() {
    this.#field.focus();
  }

  /** @param {string} name who speaks here */
  setName(name) {
    this.#field.placeholder = name ? t('composer.placeholder_as', { name }) : t('composer.placeholder');
  }

  /** Slow mode: a wait after each comment; 0 for those whom it does not bind. A change counts at once. @param {number} seconds */
  setSlow(seconds) {
    if (seconds === this.#slowSeconds) return;
    this.#slowSeconds = seconds;
    if (seconds === 0) this.#slowSince = -Infinity;
    this.#freeAt = this.#slowSince + seconds * 1000;
    this.#startWait(0);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const composing = event.isComposing || event.keyCode === 229; // Safari ends a composition before its Enter
    if (composing) return;
    if (event.key === 'Enter') {
      event.preventDefault();
      this.#say();
    } else if (event.key === 'Escape') this.#field.blur();
    else if (event.key === 'ArrowUp' || event.key === 'ArrowDown') this.#recall(event);
  }

  #say() {
    const text = this.#field.value.trim();
    if (text === '') return this.focus();
    if (countGraphemes(text) > TEXT_GRAPHEMES || countBytes(text) > TEXT_BYTES || isOverloaded(text)) {
      this.#field.setAttribute('aria-invalid', 'true');
      return this.#tell(t('reject.text_too_long'), 'bad');
    }
    if (this.#secondsLeft() > 0) return this.#showWait();
    const ref = this.#connection.post({ text, ...this.#look() });
    if (ref === null) return this.#tell(t('composer.too_many'), 'bad');
    this.#remember(text);
    this.#put('');
    if (this.#connection.state !== 'live') this.#tell(t('composer.kept'), 'kept');
  }

  /** @param {{post?: Post}} outcome */
  #accepted({ post }) {
    if (!post || this.#slowSeconds === 0) return;
    this.#slowSince = performance.now();
    this.#startWait(this.#slowSeconds);
  }

  /** @param {{post?: Post, code: string, message: string, retryAfter: number | null}} outcome */
  #rejected({ post, code, message, retryAfter }) {
    const free = this.#field.value.trim() === '' && this.#recalled < 0;
    if (post && free) this.#put(post.text);
    const sentence = sentenceOf({ code, message });
    this.#field.setAttribute('aria-invalid', String(free));
    this.#tell(post && !free ? `${sentence} ${t('composer.recall', { text: post.text })}` : sentence, 'bad');
    if (post && retryAfter) this.#startWait(retryAfter);
  }

  /** @param {string} text */
  #put(text) {
    this.#field.value = text;
    this.#recalled = -1;
    this.#tell('');
    this.#showCount();
  }

  /** @param {string} text @param {'' | 'bad' | 'wait' | 'kept'} [tone] */
  #tell(text, tone = '') {
    if (tone !== 'bad') this.#field.removeAttribute('aria-invalid');
    this.#hint.dataset.tone = tone;
    this.#hint.textContent = text;
    this.#hint.hidden = text === '';
  }

  #showCount() {
    const count = countGraphemes(this.#field.value);
    this.#count.textContent = count === 0 ? '' : `${count}/${TEXT_GRAPHEMES}`;
    this.#count.dataset.level = count > TEXT_GRAPHEMES ? 'over' : count >= NEAR_LIMIT ? 'near' : '';
  }

  /** @param {string} text */
  #remember(text) {
    if (this.#said.at(-1) !== text) this.#said.push(text);
    if (this.#said.length > SAID_MOST) this.#said.shift();
  }

  /** @param {KeyboardEvent} event */
  #recall(event) {
    const older = event.key === 'ArrowUp';
    const { length } = this.#said;
    if (length === 0 || (this.#recalled < 0 && !older)) return;
    event.preventDefault();
    if (this.#recalled < 0) this.#draft = this.#field.value;
    const at = this.#recalled < 0 ? length - 1 : this.#recalled + (older ? -1 : 1);
    const recalled = Math.max(0, at);
    this.#put(recalled < length ? this.#said[recalled] : this.#draft);
    this.#recalled = recalled < length ? recalled : -1;
  }

  #secondsLeft() {
    return Math.ceil((this.#freeAt - performance.now()) / 1000);
  }

  /** @param {number} seconds */
  #startWait(seconds) {
    this.#freeAt = Math.max(this.#freeAt, performance.now() + seconds * 1000);
    clearTimeout(this.#timer);
    this.#countDown();
  }

  #countDown() {
    const left = this.#secondsLeft();
    this.#beat.request(() => {
      this.#send.toggleAttribute('data-waiting', left > 0);
      this.#wait.hidden = left <= 0;
      this.#wait.textContent = String(Math.max(0, left));
      if (left <= 0 && this.#hint.dataset.tone === 'wait') this.#tell('');
      else if (this.#hint.dataset.tone === 'wait') this.#showWait();
    });
    if (left > 0) this.#timer = setTimeout(() => this.#countDown(), Math.min(1000, this.#freeAt - performance.now()) + 5);
  }

  #showWait() {
    this.#tell(t('composer.wait', { n: Math.max(1, this.#secondsLeft()) }), 'wait');
  }
}
