/**
 * The list of comments. Its cost is bounded: rows are in chunks of a hundred, a chunk out of sight is not laid out, and the oldest
 * chunk is removed when there are too many. It keeps the position to which the viewer scrolled, and does not move under a
 * pointer until the pointer has rested for three seconds. The caller decides which comments are hidden.
 *
 * Event: `comment-click`, a CustomEvent with detail {entry, element}.
 */

import { make, makeIcon } from '../page/dom.js';
import { hasText, language, t } from '../page/i18n.js';
import { hueOf } from '../page/user-color.js';

/** @typedef {import('../connection/wire.js').CommentEntry} CommentEntry */

const CHUNK_ROWS = 100;
const MAX_CHUNKS = 30;
const AT_END_PX = 24;
const REST_MS = 3000;
const timeFormat = new Intl.DateTimeFormat(language, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });

export class Transcript extends EventTarget {
  #list;
  #empty;
  #newer;
  #scheduler;
  /** @type {HTMLElement[]} rows to append in the next pass */
  #pending = [];
  /** @type {WeakMap<Element, CommentEntry>} */
  #entries = new WeakMap();
  /** @type {(entry: CommentEntry) => boolean} */
  #isHidden = () => false;
  /** @type {(entry: CommentEntry) => boolean} */
  #isOwn = () => false;
  /** @type {Set<Element>} rows below what the viewer has seen */
  #unseen = new Set();
  #following = true;
  /** Whether a pointer is over a row, and moved there in the last `REST_MS`. */
  #hovered = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #restTimer;
  /** Where the pointer was; events that the browser sends because rows moved have the same place. */
  #pointer = { x: -1, y: -1 };
  #scrollTop = 0;
  #flush = () => this.#write();

  /**
   * @param {{list: HTMLElement, empty: HTMLElement, newer: HTMLButtonElement}} elements
   * @param {import('../page/render-scheduler.js').RenderScheduler} scheduler
   */
  constructor({ list, empty, newer }, scheduler) {
    super();
    this.#list = list;
    this.#empty = empty;
    this.#newer = newer;
    this.#scheduler = scheduler;
    list.addEventListener('scroll', () => this.#onScroll(), { passive: true });
    const panel = list.parentElement ?? list; // the button covers rows: a pointer on it has not left them
    for (const type of /** @type {const} */ (['pointermove', 'pointerover'])) panel.addEventListener(type, (event) => this.#onPointer(event));
    panel.addEventListener('pointerleave', () => this.#setHovered(false));
    list.addEventListener('click', (event) => this.#onChoose(event.target));
    list.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && event.target !== list) this.#onChoose(event.target);
      else this.#moveFocus(event);
    });
    newer.addEventListener('click', () => this.#scrollToEnd());
    new ResizeObserver(() => this.#following && this.#scheduler.request(this.#flush)).observe(list);
  }

  /** @param {CommentEntry} entry */
  add(entry) {
    const row = makeRow(entry, this.#isOwn(entry));
    row.hidden = this.#isHidden(entry);
    this.#entries.set(row, entry);
    this.#queue(row);
    if (row.hidden) return;
    if (!this.#following || this.#hovered) this.#unseen.add(row);
  }

  /** Adds a note between the comments. @param {string} text */
  note(text) {
    this.#queue(make('p', { class: 'transcript-note' }, text));
  }

  /** Call it when the history is complete: an empty list then shows that it is empty. */
  markLoaded() {
    this.#scheduler.request(this.#flush);
    this.#empty.dataset.loaded = 'true';
  }

  /** @param {(entry: CommentEntry) => boolean} test */
  removeWhere(test) {
    /** @param {Element} row */
    const matches = (row) => {
      const entry = this.#entries.get(row);
      return entry !== undefined && test(entry);
    };
    this.#pending = this.#pending.filter((row) => !matches(row));
    for (const row of this.#unseen) if (matches(row)) this.#unseen.delete(row);
    this.#scheduler.request(() => {
      for (const row of this.#rows()) if (matches(row)) row.remove();
      this.#write();
    });
  }

  /** Hides present and future comments for which `test` is true, and shows all others. @param {(entry: CommentEntry) => boolean} test */
  hideWhere(test) {
    this.#isHidden = test;
    this.#scheduler.request(() => {
      for (const row of [...this.#rows(), ...this.#pending]) {
        const entry = this.#entries.get(row);
        if (entry && row instanceof HTMLElement) row.hidden = this.#isHidden(entry);
      }
      for (const row of this.#unseen) if (row instanceof HTMLElement && row.hidden) this.#unseen.delete(row);
      this.#write();
    });
  }

  /** Marks present and future comments for which `test` is true as the viewer's own, and no others. @param {(entry: CommentEntry) => boolean} test */
  markOwn(test) {
    this.#isOwn = test;
    this.#scheduler.request(() => {
      for (const row of [...this.#rows(), ...this.#pending]) {
        const entry = this.#entries.get(row);
        if (entry) row.classList.toggle('own', this.#isOwn(entry));
      }
    });
  }

  /** Whether screen readers announce new comments. @param {boolean} on */
  setAnnounced(on) {
    this.#list.setAttribute('aria-live', on ? 'polite' : 'off');
  }

  /** @param {HTMLElement} row */
  #queue(row) {
    this.#pending.push(row);
    if (this.#pending.length > MAX_CHUNKS * CHUNK_ROWS) this.#forget(this.#pending.shift());
    this.#scheduler.request(this.#flush);
  }

  /** @param {Element | undefined} row */
  #forget(row) {
    if (row) this.#unseen.delete(row);
  }

  #removeOldestChunk() {
    const chunk = this.#list.firstElementChild;
    for (const row of chunk?.children ?? []) this.#forget(row);
    chunk?.remove();
  }

  #write() {
    const list = this.#list;
    const follows = this.#following && !this.#hovered;
    if (this.#pending.length) {
      this.#append();
      const excess = list.childElementCount - MAX_CHUNKS;
      // While the viewer has scrolled up, the rows above stay, up to twice the bound.
      if (excess > 0 && (follows || excess > MAX_CHUNKS)) for (let i = 0; i < excess; i += 1) this.#removeOldestChunk();
    }
    this.#empty.hidden = !this.#empty.dataset.loaded || list.querySelector('p') !== null;
    if (follows) {
      this.#unseen.clear();
      list.scrollTop = list.scrollHeight;
      this.#scrollTop = list.scrollTop;
    }
    this.#newer.hidden = this.#unseen.size === 0;
    if (this.#unseen.size) this.#newer.replaceChildren(t('transcript.newer', { n: this.#unseen.size }), makeIcon('down'));
  }

  #append() {
    const rows = this.#pending;
    this.#pending = [];
    for (let i = 0; i < rows.length; ) {
      let chunk = this.#list.lastElementChild;
      if (chunk === null || chunk.childElementCount >= CHUNK_ROWS) {
        chunk = make('div', { class: 'transcript-chunk' });
        this.#list.append(chunk);
      }
      const slice = rows.slice(i, i + CHUNK_ROWS - chunk.childElementCount);
      chunk.append(...slice);
      i += slice.length;
    }
  }

  #rows() {
    return [...this.#list.querySelectorAll('.transcript-chunk > [data-seq]')];
  }

  #onScroll() {
    // Rows that come into sight may be taller than estimated, so only scrolling up means that the viewer left the end.
    const { scrollHeight, scrollTop, clientHeight } = this.#list;
    if (scrollHeight - scrollTop - clientHeight < AT_END_PX) this.#following = true;
    else if (scrollTop < this.#scrollTop - 1) this.#following = false;
    this.#scrollTop = scrollTop;
    if (this.#following && this.#unseen.size) this.#scheduler.request(this.#flush);
  }

  /** @param {PointerEvent} event */
  #onPointer({ pointerType, target, screenX: x, screenY: y }) {
    const moved = x !== this.#pointer.x || y !== this.#pointer.y;
    this.#pointer = { x, y };
    if (moved) this.#setHovered(pointerType === 'mouse' && target !== this.#list);
  }

  /** @param {boolean} on */
  #setHovered(on) {
    clearTimeout(this.#restTimer);
    if (on) this.#restTimer = setTimeout(() => this.#setHovered(false), REST_MS);
    if (this.#hovered === on) return;
    this.#hovered = on;
    if (!on && this.#following) this.#scheduler.request(this.#flush);
  }

  #scrollToEnd() {
    this.#following = true;
    this.#setHovered(false);
    this.#scheduler.request(this.#flush);
    this.#list.focus({ preventScroll: true });
  }

  /** @param {EventTarget | null} target */
  #onChoose(target) {
    if (!(target instanceof Element) || getSelection()?.isCollapsed === false) return;
    const row = target.closest('[data-seq]');
    const entry = row && this.#entries.get(row);
    if (entry) this.dispatchEvent(new CustomEvent('comment-click', { detail: { entry, element: row } }));
  }

  /** Moves the focus between rows with the arrow keys. @param {KeyboardEvent} event */
  #moveFocus(event) {
    if (event.key !== 'ArrowUp' && event.key !== 'ArrowDown') return;
    const rows = this.#rows().filter((row) => row.checkVisibility());
    const at = document.activeElement ? rows.indexOf(document.activeElement) : -1;
    const next = event.key === 'ArrowUp' ? (at < 0 ? rows.at(-1) : rows[at - 1]) : rows[at + 1];
    if (!(next instanceof HTMLElement)) return;
    event.preventDefault();
    next.focus();
  }
}

/** @param {CommentEntry} entry @param {boolean} own */
function makeRow({ seq, user, name, text, at, role, shadow }, own) {
  const row = make('p', { class: own ? 'transcript-row own' : 'transcript-row', 'data-seq': seq, 'data-hue': hueOf(user), tabindex: -1 });
  if (shadow) {
    row.classList.add('shadowed');
    row.title = t('transcript.shadow');
  }
  if (role && role !== 'viewer' && hasText(`role.${role}`)) row.append(make('span', { class: `badge ${role}` }, t(`role.${role}`)));
  row.append(make('bdi', { class: 'name' }, name), ' ', make('bdi', { class: 'text' }, text)); // a space, where the line may break
  row.append(make('time', { datetime: new Date(at).toISOString(), 'aria-hidden': 'true' }, timeFormat.format(at)));
  return row;
}
