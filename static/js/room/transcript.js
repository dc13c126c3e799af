/**
 * The list of what was said. It holds thousands of rows at a bounded cost: they lie in leaves of a hundred, a leaf out of sight
 * is not laid out, the oldest leaf goes. It stays where its reader scrolled, and does not move under a pointer. What to hide is the caller's to say.
 *
 * Event: `comment-click`, a CustomEvent with detail {entry, element}.
 */

import { make, makeIcon } from '../page/dom.js';
import { language, t } from '../page/i18n.js';
import { hueOf } from '../page/user-color.js';

/** @typedef {import('../connection/wire.js').CommentEntry} CommentEntry */

const LEAF_ROWS = 100;
const MOST_LEAVES = 30;
const AT_FOOT_PX = 24;
const timeFormat = new Intl.DateTimeFormat(language, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });

export class Transcript extends EventTarget {
  #list;
  #empty;
  #newer;
  #beat;
  /** @type {HTMLElement[]} rows that the next beat puts in */
  #coming = [];
  /** @type {WeakMap<Element, CommentEntry>} */
  #entries = new WeakMap();
  /** @type {(entry: CommentEntry) => boolean} */
  #isHidden = () => false;
  #unseen = 0;
  #following = true;
  #pointed = false;
  #scrollTop = 0;
  #flush = () => this.#write();

  /**
   * @param {{list: HTMLElement, empty: HTMLElement, newer: HTMLButtonElement}} elements
   * @param {import('../page/render-scheduler.js').Beat} beat
   */
  constructor({ list, empty, newer }, beat) {
    super();
    this.#list = list;
    this.#empty = empty;
    this.#newer = newer;
    this.#beat = beat;
    list.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    const panel = list.parentElement ?? list; // the button lies over rows: a pointer on it has not left them
    panel.addEventListener('pointerover', (event) => this.#point(event.pointerType === 'mouse' && event.target !== list));
    panel.addEventListener('pointerleave', () => this.#point(false));
    list.addEventListener('click', (event) => this.#choose(event.target));
    list.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && event.target !== list) this.#choose(event.target);
      else this.#step(event);
    });
    newer.addEventListener('click', () => this.#goToFoot());
    new ResizeObserver(() => this.#following && this.#beat.request(this.#flush)).observe(list);
  }

  /** @param {CommentEntry} entry @param {{own?: boolean}} [options] */
  add(entry, { own = false } = {}) {
    const row = makeRow(entry, own);
    row.hidden = this.#isHidden(entry);
    this.#entries.set(row, entry);
    this.#put(row);
    if (row.hidden) return;
    if (!this.#following || this.#pointed) this.#unseen += 1;
  }

  /** A muted sentence in the flow. @param {string} text */
  note(text) {
    this.#put(make('p', { class: 'noted' }, text));
  }

  /** The room has told all it has: if that was nothing, say so. */
  settle() {
    this.#beat.request(this.#flush);
    this.#empty.dataset.settled = 'true';
  }

  /** @param {number} seq */
  remove(seq) {
    this.removeWhere((entry) => entry.seq === seq);
  }

  /** Takes out every comment before `seq`, all of them without it. @param {number} [seq] */
  clear(seq = Infinity) {
    this.removeWhere((entry) => entry.seq < seq);
  }

  /** @param {(entry: CommentEntry) => boolean} test */
  removeWhere(test) {
    /** @param {Element} row */
    const goes = (row) => {
      const entry = this.#entries.get(row);
      return entry !== undefined && test(entry);
    };
    this.#coming = this.#coming.filter((row) => !goes(row));
    this.#beat.request(() => {
      for (const row of this.#rows()) if (goes(row)) row.remove();
      this.#write();
    });
  }

  /** Hides what `test` is true for, now and from now on; what was hidden before and is not any more comes back. @param {(entry: CommentEntry) => boolean} test */
  hideWhere(test) {
    this.#isHidden = test;
    this.#beat.request(() => {
      for (const row of [...this.#rows(), ...this.#coming]) {
        const entry = this.#entries.get(row);
        if (entry && row instanceof HTMLElement) row.hidden = this.#isHidden(entry);
      }
      this.#write();
    });
  }

  /** Whether new comments are read out. @param {boolean} on */
  setAnnounced(on) {
    this.#list.setAttribute('aria-live', on ? 'polite' : 'off');
  }

  /** @param {HTMLElement} row */
  #put(row) {
    this.#coming.push(row);
    if (this.#coming.length > MOST_LEAVES * LEAF_ROWS) this.#coming.shift();
    this.#beat.request(this.#flush);
  }

  #write() {
    const list = this.#list;
    const stays = this.#following && !this.#pointed;
    if (this.#coming.length) {
      this.#append();
      const excess = list.childElementCount - MOST_LEAVES;
      // While someone reads further up, the rows above must stay; twice the bound is where that ends.
      if (excess > 0 && (stays || excess > MOST_LEAVES)) for (let i = 0; i < excess; i += 1) list.firstElementChild?.remove();
    }
    this.#empty.hidden = !this.#empty.dataset.settled || list.querySelector('p') !== null;
    if (stays) {
      this.#unseen = 0;
      list.scrollTop = list.scrollHeight;
      this.#scrollTop = list.scrollTop;
    }
    this.#newer.hidden = this.#unseen === 0;
    if (this.#unseen) this.#newer.replaceChildren(t('transcript.newer', { n: this.#unseen }), makeIcon('down'));
  }

  #append() {
    const rows = this.#coming;
    this.#coming = [];
    for (let i = 0; i < rows.length; ) {
      let leaf = this.#list.lastElementChild;
      if (leaf === null || leaf.childElementCount >= LEAF_ROWS) {
        leaf = make('div', { class: 'leaf' });
        this.#list.append(leaf);
      }
      const some = rows.slice(i, i + LEAF_ROWS - leaf.childElementCount);
      leaf.append(...some);
      i += some.length;
    }
  }

  #rows() {
    return [...this.#list.querySelectorAll('.leaf > [data-seq]')];
  }

  #scrolled() {
    // Rows that come into sight may turn out taller than guessed, so only going up means that the reader left the foot.
    const { scrollHeight, scrollTop, clientHeight } = this.#list;
    if (scrollHeight - scrollTop - clientHeight < AT_FOOT_PX) this.#following = true;
    else if (scrollTop < this.#scrollTop - 1) this.#following = false;
    this.#scrollTop = scrollTop;
    if (this.#following && this.#unseen) this.#beat.request(this.#flush);
  }

  /** @param {boolean} on */
  #point(on) {
    if (this.#pointed === on) return;
    this.#pointed = on;
    if (!on && this.#following) this.#beat.request(this.#flush);
  }

  #goToFoot() {
    this.#following = true;
    this.#pointed = false;
    this.#beat.request(this.#flush);
    this.#list.focus({ preventScroll: true });
  }

  /** @param {EventTarget | null} target */
  #choose(target) {
    if (!(target instanceof Element) || getSelection()?.isCollapsed === false) return;
    const row = target.closest('[data-seq]');
    const entry = row && this.#entries.get(row);
    if (entry) this.dispatchEvent(new CustomEvent('comment-click', { detail: { entry, element: row } }));
  }

  /** Arrow keys walk the rows once the list has the focus. @param {KeyboardEvent} event */
  #step(event) {
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
function makeRow({ seq, user, name, text, at, role }, own) {
  const row = make('p', { class: own ? 'said own' : 'said', 'data-seq': seq, 'data-hue': hueOf(user), tabindex: -1 });
  if (role === 'host' || role === 'moderator') row.append(make('span', { class: `badge ${role}` }, t(`role.${role}`)));
  row.append(make('bdi', { class: 'name' }, name), ' ', make('bdi', { class: 'text' }, text)); // a space: a place to break
  row.append(make('time', { datetime: new Date(at).toISOString(), 'aria-hidden': 'true' }, timeFormat.format(at)));
  return row;
}
