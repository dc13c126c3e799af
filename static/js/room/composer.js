/**
 * The field for a comment. It counts characters as the server does, sends on Enter (text-entry.js), puts a
 * rejected comment back into the field, and counts down the wait of slow mode. The style of comments is in comment-style.js.
 */

import { find } from '../page/dom.js';
import { countGraphemes, fits } from './graphemes.js';
import { t } from '../page/i18n.js';
import { rejectionText } from '../page/rejection-text.js';
import { isComposed, onComplete } from '../page/text-entry.js';
import { TEXT_BYTES, TEXT_GRAPHEMES } from '../connection/wire.js';

/** @typedef {import('../connection/connection.js').Connection} Connection */
/** @typedef {import('../connection/wire.js').Post} Post */

const NEAR_LIMIT = 0.8; // of the characters that are allowed
const MAX_RECALLED = 50;

/**
 * The rules for what a viewer may post. `closed` is the code with which all its posts are rejected, or ''.
 * @typedef {{slowSeconds: number, maxLength: number, closed: '' | 'frozen' | 'sign_in_needed'}} Rules
 */

/**
 * The rules of a room's settings that apply to a user. Staff are exempt from those about texts, as on the server.
 * @param {{user: string, role: string}} viewer
 * @param {import('../connection/wire.js').RoomSettings} settings
 * @returns {Rules}
 */
export function rulesFor({ user, role }, { who_may_post: own, slow_mode = 0, max_length = TEXT_GRAPHEMES, shield }) {
  const who = [own, shield?.who_may_post].includes('moderators') ? 'moderators' : shield?.who_may_post === 'signed_in' ? 'signed_in' : own;
  const slow = Math.max(slow_mode, shield?.slow_mode ?? 0);
  const most = Math.min(max_length, shield?.max_length ?? TEXT_GRAPHEMES);
  if (role !== 'viewer') return { slowSeconds: 0, maxLength: TEXT_GRAPHEMES, closed: '' };
  const mustSignIn = who === 'signed_in' && (user === '' || user.startsWith('g-'));
  return { slowSeconds: slow, maxLength: most, closed: who === 'moderators' ? 'frozen' : mustSignIn ? 'sign_in_needed' : '' };
}

export class Composer {
  #connection;
  #style;
  #scheduler;
  #field;
  #count;
  #sendButton;
  #countdown;
  #hint;
  /** @type {string[]} sent texts, for the arrow keys; the newest last */
  #sent = [];
  #recalled = -1;
  #draft = '';
  /** @type {Rules} */
  #rules = { slowSeconds: 0, maxLength: TEXT_GRAPHEMES, closed: '' };
  #name = '';
  #lastSentAt = -Infinity;
  #waitUntil = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {HTMLFormElement} form
   * @param {{connection: Connection, scheduler: import('../page/render-scheduler.js').RenderScheduler, style: () => Partial<Post>}} options
   */
  constructor(form, { connection, scheduler, style }) {
    this.#connection = connection;
    this.#scheduler = scheduler;
    this.#style = style;
    this.#field = /** @type {HTMLInputElement} */ (find('text', form));
    this.#count = find('count', form);
    this.#sendButton = /** @type {HTMLButtonElement} */ (find('send', form));
    this.#countdown = find('send-wait', form);
    this.#hint = find('composer-hint', form);
    onComplete(this.#field, () => this.#submit());
    this.#sendButton.addEventListener('mousedown', (event) => event.preventDefault()); // the field keeps the focus, and a phone its keyboard
    this.#field.addEventListener('keydown', (event) => this.#onKey(event));
    this.#field.addEventListener('input', () => {
      this.#recalled = -1;
      this.#showHint('');
      this.#showCount();
    });
    connection.addEventListener('accepted', (event) => this.#onAccepted(/** @type {CustomEvent} */ (event).detail));
    connection.addEventListener('held', (event) => this.#onHeld(/** @type {CustomEvent} */ (event).detail));
    connection.addEventListener('rejected', (event) => this.#onRejected(/** @type {CustomEvent} */ (event).detail));
    connection.addEventListener('state', () => {
      if (connection.state === 'live' && this.#hint.dataset.tone === 'kept') this.#showHint('');
      if (connection.state !== 'live' && connection.unanswered > 0 && this.#hint.hidden) this.#showHint(t('composer.kept'), 'kept');
    });
  }

  focus() {
    this.#field.focus();
  }

  /** @param {string} name the viewer's name */
  setName(name) {
    this.#name = name;
    this.#showPlaceholder();
  }

  #showPlaceholder() {
    const { closed } = this.#rules;
    const name = this.#name;
    this.#field.placeholder = closed ? t(`reject.${closed}`) : name ? t('composer.placeholder_as', { name }) : t('composer.placeholder');
    this.#field.readOnly = closed !== '';
    this.#sendButton.disabled = closed !== '';
  }

  /** @param {string} text */
  tell(text) {
    this.#showHint(text);
  }

  /** Shows a sentence until the viewer types. @param {string} text */
  warn(text) {
    this.#showHint(text, 'bad');
  }

  /** A change of slow mode applies to the running wait. What was typed stays in the field. @param {Rules} rules */
  setRules(rules) {
    const { slowSeconds } = this.#rules;
    this.#rules = rules;
    this.#showPlaceholder();
    this.#showCount();
    if (rules.slowSeconds === slowSeconds) return;
    if (rules.slowSeconds === 0) this.#lastSentAt = -Infinity;
    this.#waitUntil = this.#lastSentAt + rules.slowSeconds * 1000;
    this.#startWait(0);
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (isComposed(event)) return;
    if (event.key === 'Escape') this.#field.blur();
    else if (event.key === 'ArrowUp' || event.key === 'ArrowDown') this.#recall(event);
  }

  #submit() {
    const text = this.#field.value.trim();
    if (text === '') return this.focus();
    if (this.#rules.closed) return this.#showHint(t(`reject.${this.#rules.closed}`), 'bad');
    if (!fits(text, this.#rules.maxLength, TEXT_BYTES)) {
      this.#field.setAttribute('aria-invalid', 'true');
      return this.#showHint(t('composer.too_long', { n: this.#rules.maxLength }), 'bad');
    }
    if (this.#secondsLeft() > 0) return this.#showWait();
    const ref = this.#connection.post({ text, ...this.#style() });
    if (ref === null) return this.#showHint(t('composer.too_many'), 'bad');
    this.#remember(text);
    this.#setText('');
    if (this.#connection.state !== 'live') this.#showHint(t('composer.kept'), 'kept');
  }

  /** @param {{post?: Post}} outcome */
  #onAccepted({ post }) {
    if (!post || this.#rules.slowSeconds === 0) return;
    this.#lastSentAt = performance.now();
    this.#startWait(this.#rules.slowSeconds);
  }

  /** @param {{post?: Post}} outcome */
  #onHeld(outcome) {
    this.#onAccepted(outcome);
    this.#showHint(t('composer.held'));
  }

  /** @param {{post?: Post, code: string, message: string, retryAfter: number | null}} outcome */
  #onRejected({ post, retryAfter, ...rejection }) {
    if (rejection.code === 'not_approved') return this.#showHint(rejectionText(rejection)); // sent long ago: not to be corrected
    const free = this.#field.value.trim() === '' && this.#recalled < 0;
    if (post && free) this.#setText(post.text);
    const reason = rejectionText(rejection);
    this.#field.setAttribute('aria-invalid', String(free));
    this.#showHint(post && !free ? `${reason} ${t('composer.recall', { text: post.text })}` : reason, 'bad');
    if (post && retryAfter) this.#startWait(retryAfter);
  }

  /** @param {string} text */
  #setText(text) {
    this.#field.value = text;
    this.#recalled = -1;
    this.#showHint('');
    this.#showCount();
  }

  /** @param {string} text @param {'' | 'bad' | 'wait' | 'kept'} [tone] */
  #showHint(text, tone = '') {
    if (tone !== 'bad') this.#field.removeAttribute('aria-invalid');
    this.#hint.dataset.tone = tone;
    this.#hint.textContent = text;
    this.#hint.hidden = text === '';
  }

  #showCount() {
    const count = countGraphemes(this.#field.value);
    const { maxLength } = this.#rules;
    this.#count.textContent = count === 0 ? '' : `${count}/${maxLength}`;
    this.#count.dataset.level = count > maxLength ? 'over' : count >= NEAR_LIMIT * maxLength ? 'near' : '';
  }

  /** @param {string} text */
  #remember(text) {
    if (this.#sent.at(-1) !== text) this.#sent.push(text);
    if (this.#sent.length > MAX_RECALLED) this.#sent.shift();
  }

  /** @param {KeyboardEvent} event */
  #recall(event) {
    const older = event.key === 'ArrowUp';
    const { length } = this.#sent;
    if (length === 0 || (this.#recalled < 0 && !older)) return;
    event.preventDefault();
    if (this.#recalled < 0) this.#draft = this.#field.value;
    const at = this.#recalled < 0 ? length - 1 : this.#recalled + (older ? -1 : 1);
    const recalled = Math.max(0, at);
    this.#setText(recalled < length ? this.#sent[recalled] : this.#draft);
    this.#recalled = recalled < length ? recalled : -1;
  }

  #secondsLeft() {
    return Math.ceil((this.#waitUntil - performance.now()) / 1000);
  }

  /** @param {number} seconds */
  #startWait(seconds) {
    this.#waitUntil = Math.max(this.#waitUntil, performance.now() + seconds * 1000);
    clearTimeout(this.#timer);
    this.#countDown();
  }

  #countDown() {
    const left = this.#secondsLeft();
    this.#scheduler.request(() => {
      this.#sendButton.toggleAttribute('data-waiting', left > 0);
      this.#countdown.hidden = left <= 0;
      this.#countdown.textContent = String(Math.max(0, left));
      if (left <= 0 && this.#hint.dataset.tone === 'wait') this.#showHint('');
      else if (this.#hint.dataset.tone === 'wait') this.#showWait();
    });
    if (left > 0) this.#timer = setTimeout(() => this.#countDown(), Math.min(1000, this.#waitUntil - performance.now()) + 5);
  }

  #showWait() {
    this.#showHint(t('composer.wait', { n: Math.max(1, this.#secondsLeft()) }), 'wait');
  }
}
