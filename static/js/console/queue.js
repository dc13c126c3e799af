/**
 * What waits for a moderator: held comments and reported ones, each with its acts. Rows keep their places and the focus while
 * others come and go.
 */

import { make } from '../page/dom.js';
import { formatNumber, t } from '../page/i18n.js';
import { formatTime } from './time.js';

/** @typedef {import('../connection/moderator.js').HeldItem} HeldItem */
/** @typedef {import('../connection/moderator.js').ReportItem} ReportItem */
/** @typedef {{key: number, item: HeldItem | ReportItem, meta: string, acts: Array<{name: string, label: string, key?: string, danger?: boolean, run: () => void}>}} Row */

const MAX_ROWS = 100;

class RowList {
  #list;
  #count;
  #open;
  #none;
  /** @type {Map<number, HTMLElement>} */
  #rows = new Map();
  size = 0;

  /** @param {HTMLElement} list @param {HTMLElement} count @param {{open: (user: string) => void, none: string}} options none: what is shown when there are no rows */
  constructor(list, count, { open, none }) {
    this.#list = list;
    this.#count = count;
    this.#open = open;
    this.#none = make('li', { class: 'meta' }, none);
  }

  /** @param {Row[]} rows in the order in which they are shown */
  show(rows) {
    this.size = rows.length;
    const shown = rows.slice(0, MAX_ROWS);
    const keys = new Set(shown.map(({ key }) => key));
    for (const [key, element] of this.#rows) {
      if (keys.has(key)) continue;
      if (element.contains(document.activeElement)) this.#focusAfter(element);
      element.remove();
      this.#rows.delete(key);
    }
    for (const row of shown) {
      const element = this.#rows.get(row.key) ?? this.#make(row);
      const meta = element.querySelector('.item-meta');
      if (meta && meta.textContent !== row.meta) meta.textContent = row.meta;
      this.#rows.set(row.key, element);
    }
    const order = shown.map(({ key }) => /** @type {HTMLElement} */ (this.#rows.get(key)));
    order.forEach((element, place) => {
      const now = this.#list.children[place];
      if (now !== element) this.#list.insertBefore(element, now ?? null);
    });
    if (rows.length === 0) this.#list.replaceChildren(this.#none);
    else this.#none.remove();
    this.#count.textContent = rows.length ? formatNumber(rows.length) : '';
  }

  /** Runs an act of the row that has the focus, or else of the first. @param {string} name */
  run(name) {
    const focused = document.activeElement?.closest('li');
    const row = focused && this.#list.contains(focused) ? focused : this.#list.firstElementChild;
    /** @type {HTMLButtonElement | null | undefined} */ (row?.querySelector(`[data-decide="${name}"]`))?.click();
  }

  /** @param {HTMLElement} element a row that is removed */
  #focusAfter(element) {
    const next = element.nextElementSibling ?? element.previousElementSibling;
    /** @type {HTMLElement | null | undefined} */ (next?.querySelector('button[data-decide]'))?.focus();
  }

  /** @param {Row} row */
  #make({ key, item, meta, acts }) {
    const who = make('button', { type: 'button', class: 'link' }, make('bdi', {}, item.name));
    who.addEventListener('click', () => this.#open(item.user));
    const buttons = acts.map(({ name, label, key: letter, danger, run }) => {
      const button = make('button', { type: 'button', class: danger ? 'button danger' : 'button', 'data-decide': name }, label, letter ? make('kbd', {}, letter) : '');
      button.addEventListener('click', run);
      return button;
    });
    const words = make('div', { class: 'item-words' }, make('p', {}, who, ' ', make('bdi', { class: 'item-text' }, item.text)), make('p', { class: 'meta item-meta' }, meta));
    return make('li', { class: 'item queue-item', 'data-key': key }, words, make('div', { class: 'buttons' }, ...buttons));
  }
}

export class Queue {
  #held;
  #reports;
  #onCount;

  /**
   * @param {Record<'held' | 'heldCount' | 'reports' | 'reportsCount', HTMLElement>} elements
   * @param {{decide: (item: HeldItem, approve: boolean) => void, remove: (item: ReportItem) => void, dismiss: (item: ReportItem) => void, open: (user: string) => void, count: (waiting: number) => void}} acts
   */
  constructor(elements, acts) {
    this.acts = acts;
    this.#onCount = acts.count;
    this.#held = new RowList(elements.held, elements.heldCount, { open: acts.open, none: t('console.held_none') });
    this.#reports = new RowList(elements.reports, elements.reportsCount, { open: acts.open, none: t('console.reports_none') });
    document.addEventListener('keydown', (event) => {
      const isTyping = event.target instanceof Element && event.target.matches('input, textarea, select');
      if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
      const name = { a: 'approve', x: 'refuse' }[event.key.toLowerCase()];
      if (name) this.#held.run(name);
    });
  }

  get hasReports() {
    return this.#reports.size > 0;
  }

  /** @param {HeldItem[]} items oldest first */
  showHeld(items) {
    this.#held.show(
      items.map((item) => ({
        key: item.id,
        item,
        meta: `${t(`console.held_${item.cause}`)} · ${formatTime(item.at)}`,
        acts: [
          { name: 'approve', label: t('console.approve'), key: 'A', run: () => this.acts.decide(item, true) },
          { name: 'refuse', label: t('console.refuse'), key: 'X', danger: true, run: () => this.acts.decide(item, false) },
        ],
      })),
    );
    this.#tellCount();
  }

  /** @param {ReportItem[]} items most reports first */
  showReports(items) {
    this.#reports.show(
      items.map((item) => ({
        key: item.seq,
        item,
        meta: [t('console.report_count', { n: item.count }), ...item.reasons, formatTime(item.last)].join(' · '),
        acts: [
          { name: 'remove', label: t('console.act_remove'), danger: true, run: () => this.acts.remove(item) },
          { name: 'dismiss', label: t('console.dismiss'), run: () => this.acts.dismiss(item) },
        ],
      })),
    );
    this.#tellCount();
  }

  #tellCount() {
    this.#onCount(this.#held.size + this.#reports.size);
  }
}
