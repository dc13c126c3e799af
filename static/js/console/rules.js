/** The room's settings and rules as fields. A change applies at once. */

import { find } from '../page/dom.js';

/** Each field's name is that of a setting. @returns {(HTMLInputElement | HTMLSelectElement)[]} */
function fieldsOf() {
  return /** @type {(HTMLInputElement | HTMLSelectElement)[]} */ ([...find('rules').querySelectorAll('[name]')]);
}

/** @param {HTMLInputElement | HTMLSelectElement} field */
function valueOf(field) {
  if (field.type === 'checkbox') return /** @type {HTMLInputElement} */ (field).checked;
  if (field.value === '') return null;
  return field.type === 'number' ? Number(field.value) : field.value;
}

/** @param {Record<string, unknown>} settings @param {boolean} isHost only hosts may change them */
export function showRules(settings, isHost) {
  /** @type {HTMLFieldSetElement} */ (find('rules')).disabled = !isHost;
  for (const field of fieldsOf()) {
    if (field.type === 'checkbox') /** @type {HTMLInputElement} */ (field).checked = Boolean(settings[field.name]);
    else if (document.activeElement !== field) field.value = String(settings[field.name] ?? field.dataset.default ?? '');
  }
}

/** @param {(patch: Record<string, unknown>) => void} change */
export function onRuleChange(change) {
  find('rules').addEventListener('change', ({ target }) => {
    const field = /** @type {HTMLInputElement | HTMLSelectElement} */ (target);
    if (field.checkValidity()) change({ [field.name]: valueOf(field) });
    else field.reportValidity();
  });
}

/** The patch that undoes a change of settings. @param {Record<string, unknown>} before @param {Record<string, unknown>} after */
export function undoPatch(before, after) {
  const changed = Object.keys({ ...before, ...after }).filter((name) => before[name] !== after[name]);
  return Object.fromEntries(changed.map((name) => [name, before[name] ?? null]));
}
