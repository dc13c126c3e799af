/** Language and theme, the two settings that every page offers. */

import { make } from './dom.js';
import { language, t } from './i18n.js';
import { SERVER } from './server.js';

/** @typedef {import('./preferences.js').Preferences} Preferences */

const THEMES = ['system', 'dark', 'light'];
const LANGUAGES = { en: 'English', zh: '中文' };
const YEAR_SECONDS = 365 * 24 * 3600;

/** Applies the chosen theme, now and whenever it changes. @param {Preferences} preferences */
export function followTheme(preferences) {
  const root = document.documentElement;
  const show = () => {
    const { theme } = preferences.values;
    if (theme === 'system') delete root.dataset.theme;
    else root.dataset.theme = theme;
  };
  preferences.addEventListener('change', show);
  show();
}

/** @param {Preferences} preferences @returns {HTMLElement[]} the fields */
export function makeAppearanceFields(preferences) {
  const themes = THEMES.map((theme) => {
    const radio = make('input', { type: 'radio', name: 'theme', value: theme });
    radio.addEventListener('change', () => preferences.set({ theme }));
    return make('label', {}, radio, t(`settings.theme_${theme}`));
  });
  const languages = Object.entries(LANGUAGES).map(([code, name]) => {
    const radio = make('input', { type: 'radio', name: 'language', value: code });
    radio.checked = language.startsWith(code);
    radio.addEventListener('change', () => switchLanguage(code));
    return make('label', { lang: code }, radio, name);
  });
  const show = () => {
    for (const label of themes) {
      const radio = /** @type {HTMLInputElement} */ (label.firstElementChild);
      radio.checked = radio.value === preferences.values.theme;
    }
  };
  preferences.addEventListener('change', show);
  show();
  return [
    make('fieldset', { class: 'labelled' }, make('legend', {}, t('settings.theme')), make('div', { class: 'choice' }, ...themes)),
    make('fieldset', { class: 'labelled' }, make('legend', {}, t('settings.language')), make('div', { class: 'choice' }, ...languages)),
  ];
}

/** Reloads the page in another language; the server renders it in that of the cookie. @param {string} code */
function switchLanguage(code) {
  document.cookie = `lang=${code}; path=${new URL(`${SERVER}/`).pathname}; max-age=${YEAR_SECONDS}; samesite=lax`;
  location.reload();
}
