/**
 * Counts characters by the server's rule (chat/core/graphemes.py): extended grapheme clusters (UAX #29), bounded to what is
 * displayed as one. Intl.Segmenter is not used, since its rule depends on the version of the browser.
 */

import { GRAPHEME_CLASSES } from './grapheme-tables.js';

const MAX_MARKS = 8;
const MAX_GENERAL_MARKS = 4;
const MAX_LINKS = 5;

const LINE_SPACE = /[\t\n\v\f\r\x85\u2028\u2029]/g;
const UNSAFE = /[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}\u202a-\u202e\u2066-\u2069\ufeff]/gu;

const NO_INK = /^[\p{Z}\p{C}\p{Default_Ignorable_Code_Point}\u2800]*$/u; // as in chat/core/comment.py

const MARK = '[EZJNGS]';
const FAMILY = `X(?:[EJNG]*ZX){1,${MAX_LINKS}}(?![EJNG]*ZX)`;
const CONJUNCT = `K(?:[EZG]*N[EZGN]*K){1,${MAX_LINKS}}(?![EZG]*N[EZGN]*K)`;
const GRAPHEME = new RegExp(`P?(?:${FAMILY}|${CONJUNCT}|RR|LVT?|HT?|[^CP])${MARK}*|P${MARK}*|C`, 'g');
const OVERLOADED = new RegExp(`${MARK}{${MAX_MARKS + 1}}|(?:G[EZJNS]*){${MAX_GENERAL_MARKS + 1}}`);

const encoder = new TextEncoder();
/** @type {Map<number, string> | undefined} */
let classes;

/** The code points of a line of the tables. @param {string} written @returns {Generator<number>} */
export function* readRanges(written) {
  for (const range of written.split(' ')) {
    const [first, last = first] = range.split('-');
    for (let code = parseInt(first, 16); code <= parseInt(last, 16); code += 1) yield code;
  }
}

/** Returns the class letter of each code point. @param {string} text */
function classify(text) {
  classes ??= new Map(Object.entries(GRAPHEME_CLASSES).flatMap(([letter, written]) => [...readRanges(written)].map((code) => [code, letter])));
  let letters = '';
  for (const char of text) {
    const code = /** @type {number} */ (char.codePointAt(0));
    letters += classes.get(code) ?? (code >= 0xac00 && code <= 0xd7a3 ? 'H' : 'x');
  }
  return letters;
}

/** Removes the characters that the server removes. @param {string} text */
function strip(text) {
  return text.replace(LINE_SPACE, ' ').replace(UNSAFE, '');
}

/** Returns the text as the server cleans it. @param {string} text */
function clean(text) {
  return strip(text).normalize('NFC').trim();
}

/** @param {string} text */
export function countGraphemes(text) {
  return classify(clean(text)).match(GRAPHEME)?.length ?? 0;
}

/** The length in UTF-8, as the server measures it. @param {string} text */
export function countBytes(text) {
  return encoder.encode(clean(text)).length;
}

/** Whether the server accepts the length of a text and the combining marks of its characters. @param {string} text @param {number} graphemes @param {number} bytes */
export function fits(text, graphemes, bytes) {
  const overloaded = OVERLOADED.test(classify(strip(text))) || OVERLOADED.test(classify(clean(text)));
  return !overloaded && countGraphemes(text) <= graphemes && countBytes(text) <= bytes;
}

/** Whether a text shows anything. @param {string} text */
export function isVisible(text) {
  return !NO_INK.test(clean(text));
}
