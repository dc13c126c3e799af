/** The popover for the viewer's name and the style of the viewer's own comments: mode, size and colour. */

import { find, make, makeIcon } from '../page/dom.js';
import { fits, isVisible } from './graphemes.js';
import { t } from '../page/i18n.js';
import { onComplete } from '../page/text-entry.js';
import { NAME_BYTES, NAME_GRAPHEMES } from '../connection/wire.js';

/** @typedef {import('../page/preferences.js').Preferences} Preferences */
/** @typedef {import('../connection/wire.js').Post} Post */

const MODES = /** @type {const} */ (['scroll', 'top', 'bottom']);
const SIZES = /** @type {const} */ (['small', 'normal', 'large']);
const WHITE = '#ffffff';
/** Named colours, so that screen readers can announce them. */
const COLORS = {
  white: WHITE, red: '#ff4d5e', orange: '#ff9f43', yellow: '#ffd84d', green: '#7bd88f', cyan: '#38c6cf', blue: '#5aa9ff', violet: '#b58cff',
  pink: '#ff8fc7', crimson: '#c22f42', gold: '#c98a12', forest: '#2e9e5b', royal: '#2f66e0', purple: '#7d4cdb', black: '#15191f',
};

/** The fields of a post in which the chosen style differs from the default. @param {Preferences} preferences @returns {Partial<Post>} */
export function styleOf({ values: { mode, size, color } }) {
  return /** @type {Partial<Post>} */ ({
    ...(mode !== 'scroll' && { mode }),
    ...(size !== 'normal' && { size }),
    ...(color !== WHITE && { color }),
  });
}

/** Why the server would refuse a name, as the code of its rejection; '' if it is valid. @param {string} name */
function refusalOf(name) {
  if (!fits(name, NAME_GRAPHEMES, NAME_BYTES)) return 'name_too_long';
  return isVisible(name) ? '' : 'name_empty';
}

/** The stored name, or '' if the server would refuse it. @param {Preferences} preferences */
export function keptName({ values: { name } }) {
  return refusalOf(name) === '' ? name : '';
}

/**
 * Returns a function that fixes the viewer's name, since a user has the name of its token; '' lets the viewer choose.
 * @param {HTMLElement} popover
 * @param {{preferences: Preferences, done: () => void}} options done: called when a name was entered
 * @returns {(fixedName: string) => void}
 */
export function fillStylePopover(popover, { preferences, done }) {
  const name = make('input', { class: 'field', id: 'own-name', type: 'text', autocomplete: 'nickname', placeholder: t('look.name_guest') });
  const nameHint = make('p', { class: 'meta', role: 'status' }, t('look.name_hint', { n: NAME_GRAPHEMES }));
  const mode = makeChoice('mode', t('look.mode'), MODES, (value) => [makeIcon(`mode-${value}`)], (value) => t(`look.mode_${value}`));
  const size = makeChoice('size', t('look.size'), SIZES, (value) => [make('span', { class: `letter-${value}` }, t('composer.letter'))], (value) => t(`look.size_${value}`));
  const customColor = make('input', { type: 'color', 'aria-label': t('look.color_free'), title: t('look.color_free') });
  const color = makeSwatches(customColor);

  find('look', popover).append(
    make('form', { class: 'labelled', novalidate: true }, make('label', { for: 'own-name' }, t('look.name')), name, nameHint),
    mode, size, color,
  );

  popover.addEventListener('change', ({ target }) => {
    if (!(target instanceof HTMLInputElement)) return;
    if (target === customColor) preferences.set({ color: customColor.value });
    else if (target.type === 'radio') preferences.set({ [target.name.replace('look-', '')]: target.value });
  });

  let fixedName = '';
  /** @param {string} code a rejection's, or '' */
  function showRefusal(code) {
    name.setAttribute('aria-invalid', String(code !== ''));
    const hint = fixedName ? t('look.name_fixed') : t('look.name_hint', { n: NAME_GRAPHEMES });
    nameHint.textContent = code === '' ? hint : t(`reject.${code}`);
  }

  function saveName() {
    const chosen = name.value.normalize('NFC').trim();
    const refusal = chosen === '' ? '' : refusalOf(chosen);
    showRefusal(refusal);
    if (refusal || chosen === '' || chosen === preferences.values.name) return;
    preferences.set({ name: chosen });
  }
  name.addEventListener('change', saveName);
  onComplete(name, () => {
    saveName();
    if (name.getAttribute('aria-invalid') === 'true') return;
    popover.hidePopover();
    done();
  });

  const letter = find('look-letter');
  function show() {
    const { values } = preferences;
    for (const [part, value] of Object.entries({ mode: values.mode, size: values.size, color: values.color })) {
      for (const radio of popover.querySelectorAll(`input[name="look-${part}"]`)) {
        if (radio instanceof HTMLInputElement) radio.checked = radio.value === value;
      }
    }
    customColor.value = values.color;
    customColor.closest('.swatch')?.classList.toggle('chosen', !Object.values(COLORS).includes(values.color));
    name.value = fixedName || values.name;
    letter.dataset.size = values.size;
    letter.style.setProperty('--look-color', values.color);
  }
  preferences.addEventListener('change', show);
  show();

  return (fixed) => {
    if (fixed === fixedName) return;
    fixedName = fixed;
    name.disabled = fixed !== '';
    showRefusal('');
    show();
  };
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

/** @param {HTMLInputElement} customColor the input for any other colour */
function makeSwatches(customColor) {
  const swatches = Object.entries(COLORS).map(([name, value]) => {
    const radio = make('input', { type: 'radio', name: 'look-color', value, 'aria-label': t(`color.${name}`) });
    const swatch = make('label', { class: 'swatch', title: t(`color.${name}`) }, radio);
    swatch.style.setProperty('--swatch', value);
    return swatch;
  });
  const all = make('div', { class: 'swatches' }, ...swatches, make('label', { class: 'swatch free' }, customColor));
  return make('fieldset', { class: 'labelled' }, make('legend', {}, t('look.color')), all);
}
