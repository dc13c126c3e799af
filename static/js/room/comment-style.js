/** The card in which a viewer chooses a name and how own comments look: where they fly, how large, in which colour. */

import { find, make, makeIcon } from '../page/dom.js';
import { countGraphemes } from './graphemes.js';
import { t } from '../page/i18n.js';
import { NAME_GRAPHEMES } from '../connection/wire.js';

/** @typedef {import('../page/preferences.js').Preferences} Preferences */
/** @typedef {import('../connection/wire.js').Post} Post */

const MODES = /** @type {const} */ (['scroll', 'top', 'bottom']);
const SIZES = /** @type {const} */ (['small', 'normal', 'large']);
const WHITE = '#ffffff';
/** Colours with a name of their own, so that they can be read out. */
const COLORS = {
  white: WHITE, red: '#ff4d5e', orange: '#ff9f43', yellow: '#ffd84d', green: '#7bd88f', cyan: '#38c6cf', blue: '#5aa9ff', violet: '#b58cff',
  pink: '#ff8fc7', crimson: '#c22f42', gold: '#c98a12', forest: '#2e9e5b', royal: '#2f66e0', purple: '#7d4cdb', black: '#15191f',
};

/** What of the look differs from a plain comment. @param {Preferences} preferences @returns {Partial<Post>} */
export function lookOf({ values: { mode, size, color } }) {
  return /** @type {Partial<Post>} */ ({
    ...(mode !== 'scroll' && { mode }),
    ...(size !== 'normal' && { size }),
    ...(color !== WHITE && { color }),
  });
}

/**
 * @param {HTMLElement} card
 * @param {{preferences: Preferences, rename: (name: string) => void}} options
 */
export function fillLookCard(card, { preferences, rename }) {
  const name = make('input', { class: 'field', id: 'own-name', type: 'text', autocomplete: 'nickname', placeholder: t('look.name_guest') });
  const nameHint = make('p', { class: 'meta', role: 'status' }, t('look.name_hint', { n: NAME_GRAPHEMES }));
  const mode = makeChoice('mode', t('look.mode'), MODES, (value) => [makeIcon(`mode-${value}`)], (value) => t(`look.mode_${value}`));
  const size = makeChoice('size', t('look.size'), SIZES, (value) => [make('span', { class: `letter-${value}` }, t('composer.letter'))], (value) => t(`look.size_${value}`));
  const free = make('input', { type: 'color', 'aria-label': t('look.color_free'), title: t('look.color_free') });
  const color = makeSwatches(free);

  find('look', card).append(
    make('div', { class: 'labelled' }, make('label', { for: 'own-name' }, t('look.name')), name, nameHint),
    mode, size, color,
  );

  card.addEventListener('change', ({ target }) => {
    if (!(target instanceof HTMLInputElement)) return;
    if (target === free) preferences.set({ color: free.value });
    else if (target.type === 'radio') preferences.set({ [target.name.replace('look-', '')]: target.value });
  });

  function keepName() {
    const chosen = name.value.normalize('NFC').trim();
    const fits = countGraphemes(chosen) <= NAME_GRAPHEMES;
    name.setAttribute('aria-invalid', String(!fits));
    nameHint.textContent = fits ? t('look.name_hint', { n: NAME_GRAPHEMES }) : t('reject.name_too_long');
    if (!fits || chosen === '' || chosen === preferences.values.name) return;
    preferences.set({ name: chosen });
    rename(chosen);
  }
  name.addEventListener('change', keepName);
  name.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || event.isComposing) return;
    event.preventDefault(); // closing gives the focus to the button, which this very key would press
    keepName();
    if (name.getAttribute('aria-invalid') !== 'true') card.hidePopover();
  });

  const letter = find('look-letter');
  function show() {
    const { values } = preferences;
    for (const [part, value] of Object.entries({ mode: values.mode, size: values.size, color: values.color })) {
      for (const radio of card.querySelectorAll(`input[name="look-${part}"]`)) {
        if (radio instanceof HTMLInputElement) radio.checked = radio.value === value;
      }
    }
    free.value = values.color;
    free.closest('.swatch')?.classList.toggle('chosen', !Object.values(COLORS).includes(values.color));
    name.value = values.name;
    letter.dataset.size = values.size;
    letter.style.setProperty('--look-color', values.color);
  }
  preferences.addEventListener('change', show);
  show();
}

/**
 * @param {string} name
 * @param {string} legend
 * @param {readonly string[]} values
 * @param {(value: string) => Node[]} draw
 * @param {(value: string) => string} label
 */
function makeChoice(name, legend, values, draw, label) {
  const options = values.map((value) => {
    const radio = make('input', { type: 'radio', name: `look-${name}`, value, 'aria-label': label(value) });
    return make('label', { title: label(value) }, radio, ...draw(value));
  });
  return make('fieldset', { class: 'labelled' }, make('legend', {}, legend), make('div', { class: 'choice' }, ...options));
}

/** @param {HTMLInputElement} free the field for any other colour */
function makeSwatches(free) {
  const swatches = Object.entries(COLORS).map(([name, value]) => {
    const radio = make('input', { type: 'radio', name: 'look-color', value, 'aria-label': t(`color.${name}`) });
    const swatch = make('label', { class: 'swatch', title: t(`color.${name}`) }, radio);
    swatch.style.setProperty('--swatch', value);
    return swatch;
  });
  const all = make('div', { class: 'swatches' }, ...swatches, make('label', { class: 'swatch free' }, free));
  return make('fieldset', { class: 'labelled' }, make('legend', {}, t('look.color')), all);
}
