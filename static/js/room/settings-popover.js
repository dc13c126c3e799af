/** The popover for the viewer's settings, applied at once, and their conversion to the stage's settings. */

import { makeAppearanceFields } from '../page/appearance.js';
import { find, make, makeIcon } from '../page/dom.js';
import { hideWord, showUser, showWord } from './filters.js';
import { formatNumber, t } from '../page/i18n.js';
import { SERVER } from '../page/server.js';
import { onComplete } from '../page/text-entry.js';

/** @typedef {import('../page/preferences.js').Preferences} Preferences */
/** @typedef {import('../page/preferences.js').Values} Values */

const BAR_PX = 56;
const BAR_AND_COMPOSER_PX = 116; // in fullscreen the composer covers the picture too, and hides with the bar

/** @type {{name: 'opacity' | 'scale' | 'speed' | 'density' | 'delaySeconds', min: number, max: number, step: number}[]} */
const SLIDERS = [
  { name: 'opacity', min: 0.1, max: 1, step: 0.05 },
  { name: 'scale', min: 0.5, max: 2, step: 0.1 },
  { name: 'speed', min: 0.5, max: 2, step: 0.1 },
  { name: 'density', min: 0, max: 1, step: 0.1 },
  { name: 'delaySeconds', min: 0, max: 30, step: 0.5 },
];
const AREAS = { 0.25: '¼', 0.5: '½', 0.75: '¾', 1: '' };
const MODES = /** @type {const} */ (['scroll', 'top', 'bottom']);

/**
 * The stage's settings: the viewer's preferences, with the room's delay added to the viewer's.
 * @param {Preferences} preferences
 * @param {import('../connection/wire.js').RoomSettings} room
 * @returns {Partial<import('../stage/stage.js').StageSettings>}
 */
export function stageSettings({ values }, room) {
  const { opacity, scale, speed, area, density, merge, scroll, top, bottom } = values;
  return {
    opacity, scale, speed, area, density, merge,
    modes: { scroll, top, bottom },
    delaySeconds: (room.delay ?? 0) + values.delaySeconds,
    barPx: document.fullscreenElement ? BAR_AND_COMPOSER_PX : BAR_PX,
  };
}

/** @param {HTMLElement} popover @param {Preferences} preferences @param {string} room the room of the overlay link */
export function fillSettingsPopover(popover, preferences, room) {
  const form = find('settings', popover);
  const words = make('ul', { class: 'chips', 'data-role': 'hidden-words' });
  const users = make('ul', { class: 'chips', 'data-role': 'hidden-users' });
  const reset = make('button', { type: 'button', class: 'button' }, t('settings.reset'));
  reset.addEventListener('click', () => preferences.reset());

  form.append(
    ...SLIDERS.slice(0, 4).map(makeSlider),
    makeAreas(),
    makeModes(),
    makeSwitch('merge', t('settings.merge')),
    makeSlider(SLIDERS[4]),
    makeGroup(t('settings.hidden_words'), makeWordField(preferences), words),
    makeGroup(t('settings.hidden_users'), users, make('p', { class: 'meta', 'data-role': 'no-hidden-users' }, t('settings.no_hidden_users'))),
    makeSwitch('announce', t('settings.announce')),
    ...makeAppearanceFields(preferences),
    makeOverlayLink(room),
    reset,
  );

  form.addEventListener('input', ({ target }) => {
    if (!(target instanceof HTMLInputElement) || !target.dataset.preference) return;
    const value = target.type === 'checkbox' ? target.checked : Number(target.value);
    preferences.set({ [target.dataset.preference]: value });
  });

  function show() {
    const { values } = preferences;
    for (const input of form.querySelectorAll('input[data-preference]')) {
      if (!(input instanceof HTMLInputElement)) continue;
      const name = /** @type {keyof Values} */ (input.dataset.preference);
      if (input.type === 'checkbox') input.checked = values[name] === true;
      else if (input.type === 'radio') input.checked = Number(input.value) === values[name];
      else {
        input.value = String(values[name]);
        const output = input.parentElement?.querySelector('output');
        if (output) output.textContent = formatValue(name, Number(values[name]));
      }
    }
    words.replaceChildren(...values.hiddenWords.map((word) => makeChip(word, () => showWord(preferences, word))));
    users.replaceChildren(...values.hiddenUsers.map(({ user, name }) => makeChip(name, () => showUser(preferences, user))));
    find('no-hidden-users', popover).hidden = values.hiddenUsers.length > 0;
  }
  preferences.addEventListener('change', show);
  show();
}

/** @param {string} name @param {number} value */
function formatValue(name, value) {
  return name === 'delaySeconds' ? t('settings.seconds', { n: value }) : `${formatNumber(Math.round(value * 100))} %`;
}

/** @param {(typeof SLIDERS)[number]} slider */
function makeSlider({ name, min, max, step }) {
  const id = `setting-${name}`;
  return make(
    'div',
    { class: 'slider' },
    make('label', { for: id }, t(`settings.${name}`)),
    make('output', { class: 'meta figures', for: id }),
    make('input', { id, type: 'range', min, max, step, 'data-preference': name }),
  );
}

function makeAreas() {
  const options = Object.entries(AREAS).sort().map(([value, sign]) =>
    make('label', {}, make('input', { type: 'radio', name: 'setting-area', value, 'data-preference': 'area' }), sign || t('settings.area_full')),
  );
  return make('fieldset', { class: 'labelled' }, make('legend', {}, t('settings.area')), make('div', { class: 'choice' }, ...options));
}

function makeModes() {
  const options = MODES.map((name) => make('label', {}, make('input', { type: 'checkbox', 'data-preference': name }), t(`look.mode_${name}`)));
  return makeGroup(t('settings.modes'), make('div', { class: 'choice' }, ...options));
}

/** @param {keyof Values} name @param {string} label */
function makeSwitch(name, label) {
  return make('label', { class: 'switch' }, label, make('input', { type: 'checkbox', role: 'switch', 'data-preference': name }));
}

/** @param {string} legend @param {...Node} children */
function makeGroup(legend, ...children) {
  return make('fieldset', { class: 'labelled' }, make('legend', {}, legend), ...children);
}

/** A link to the overlay's page, for the streamer. @param {string} room */
function makeOverlayLink(room) {
  return make('a', { 'data-role': 'overlay-link', href: `${SERVER}/r/${room}/overlay/compose`, target: '_blank', rel: 'noopener' }, t('settings.overlay'));
}

/** @param {Preferences} preferences */
function makeWordField(preferences) {
  const field = make('input', { class: 'field', type: 'text', 'aria-label': t('settings.word_to_hide'), placeholder: t('settings.word_to_hide'), enterkeyhint: 'done' });
  const form = make('form', { novalidate: true }, field);
  onComplete(field, () => {
    hideWord(preferences, field.value);
    field.value = '';
  });
  return form;
}

/** @param {string} text @param {() => void} remove */
function makeChip(text, remove) {
  const chip = make('button', { type: 'button', class: 'chip', title: t('settings.show_again') }, make('bdi', {}, text), makeIcon('close'));
  chip.addEventListener('click', remove);
  return make('li', {}, chip);
}
