/** The page's words, from the catalog that the server wrote into it; no word of the interface stands in another module. */

/** @type {Record<string, string>} */
const catalog = JSON.parse(document.getElementById('strings')?.textContent ?? '{}');

/** The page's language, as the server chose it. */
export const language = document.documentElement.lang || 'en';

const numbers = new Intl.NumberFormat(language);

/** @param {number} value */
export function formatNumber(value) {
  return numbers.format(value);
}

/** Whether the catalog knows `key`; for keys that come from elsewhere, such as a rejection's code. @param {string} key */
export function hasText(key) {
  return Object.hasOwn(catalog, key);
}

/**
 * The text of `key`, its `{name}` gaps filled; numbers are written as the language does.
 * @param {string} key
 * @param {Record<string, string | number>} [gaps]
 */
export function t(key, gaps = {}) {
  const text = catalog[key];
  if (text === undefined) {
    console.error(`no text for ${key}`);
    return key;
  }
  return text.replace(/\{(\w+)\}/g, (gap, name) => {
    const value = gaps[name];
    if (value === undefined) return gap;
    return typeof value === 'number' ? formatNumber(value) : value;
  });
}
