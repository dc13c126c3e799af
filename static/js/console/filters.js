/** The filters as lines of text, one field for each action: a word or phrase, or a pattern between slashes. */

import { find } from '../page/dom.js';
import { t } from '../page/i18n.js';

/** @typedef {import('../connection/moderator.js').Filter} Filter */

/** The actions that have a field. */
const ACTIONS = ['reject', 'hold', 'shadow', 'mask'];
const PATTERN = /^\/(.+)\/$/;

/** @param {string} action @returns {HTMLTextAreaElement} */
function fieldOf(action) {
  return find(`filters-${action}`);
}

/** @param {string} text @param {string} action @returns {Filter[]} */
export function parseFilters(text, action) {
  const lines = text.split('\n').map((line) => line.trim());
  return lines.filter(Boolean).map((line) => {
    const pattern = PATTERN.exec(line);
    return pattern ? { match: 'pattern', text: pattern[1], action } : { match: 'word', text: line, action };
  });
}

export class Filters {
  /** Those with other actions, which are kept as they are. @type {Filter[]} */
  #others = [];
  /** @type {(filters: Filter[]) => void} */
  #save;
  #button = /** @type {HTMLButtonElement} */ (find('filters-save'));

  /** @param {{save: (filters: Filter[]) => void, tryText: (text: string) => void}} acts */
  constructor({ save, tryText }) {
    this.#save = save;
    this.#button.addEventListener('click', () => {
      this.#button.disabled = true;
      this.#save(this.#read());
    });
    for (const action of ACTIONS) fieldOf(action).addEventListener('input', () => this.markChanged());
    const file = /** @type {HTMLInputElement} */ (find('filters-file'));
    file.addEventListener('change', async () => {
      const text = await file.files?.[0]?.text();
      const field = fieldOf('reject');
      if (text) field.value = [field.value.trimEnd(), text].filter(Boolean).join('\n');
      file.value = '';
      this.markChanged();
    });
    /** @type {HTMLFormElement} */ (find('filters-try')).addEventListener('submit', (event) => {
      event.preventDefault();
      const field = /** @type {HTMLInputElement} */ (find('filters-text'));
      if (field.value.trim()) tryText(field.value);
    });
  }

  /** The fields differ from the filters in force: they stay as they are until they are saved. */
  markChanged() {
    this.#button.disabled = false;
  }

  /** Shows the filters in force, unless the fields have changes that are not saved. @param {Filter[]} filters */
  show(filters) {
    if (!this.#button.disabled) return;
    this.#others = filters.filter(({ action }) => !ACTIONS.includes(action));
    for (const action of ACTIONS) {
      const lines = filters.filter((filter) => filter.action === action).map(({ match, text }) => (match === 'pattern' ? `/${text}/` : text));
      fieldOf(action).value = lines.join('\n');
    }
    find('filters-count').textContent = t('console.filter_count', { n: filters.length });
  }

  /** @param {{action: string | null, text: string}} tried */
  showTried({ action, text }) {
    find('filters-result').textContent = t(`console.tried_${action ?? 'none'}`, { text });
  }

  #read() {
    return [...ACTIONS.flatMap((action) => parseFilters(fieldOf(action).value, action)), ...this.#others];
  }
}
