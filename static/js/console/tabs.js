/** On a narrow screen the columns are tabs; on a wide one all are visible and the tabs are not. */

/** @param {HTMLElement} bar its buttons name the column that they show, as `data-tab` @param {HTMLElement} columns */
export function attachTabs(bar, columns) {
  const buttons = /** @type {HTMLButtonElement[]} */ ([...bar.querySelectorAll('[data-tab]')]);
  /** @param {string} name */
  function show(name) {
    columns.dataset.shown = name;
    for (const button of buttons) button.setAttribute('aria-pressed', String(button.dataset.tab === name));
  }
  for (const button of buttons) button.addEventListener('click', () => show(button.dataset.tab ?? ''));
  show('live');
  return { show };
}
