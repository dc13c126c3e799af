/** Translations, from the catalog that the server embeds in the page. No other module contains texts of the interface. */

/** @type {Record<string, string>} */
const catalog = JSON.parse(document.getElementById('strings')?.textContent ?? '{}');

/** The page's language, chosen by the server. */
export const language = document.documentElement.lang || 'en';

const numbers = new Intl.NumberFormat(language);

/** @param {number} value */
export function formatNumber(value) {
  return numbers.format(value);
}

/** Whether the catalog has `key`; for keys built from other values, such as a rejection's code. @param {string} key */
export function hasText(key) {
  return Object.hasOwn(catalog, key);
}

/**
 * The text of `key` with its `{name}` placeholders replaced; numbers are formatted for the language.
 * @param {string} key
 * @param {Record<string, string | number>} [values]
 */
export function t(key, values = {}) {
  const text = catalog[key];
  if (text === undefined) {
    console.error(`no text for ${key}`);
    return key;
  }
  return text.replace(/\{(\w+)\}/g, (placeholder, name) => {
    const value = values[name];
    if (value === undefined) return placeholder;
    return typeof value === 'number' ? formatNumber(value) : value;
  });
}
