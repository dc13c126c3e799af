/**
 * Counts what a reader calls characters, by the server's rule (chat/core/graphemes.py): extended grapheme clusters (UAX #29),
 * bounded to what is shown as one. Not by Intl.Segmenter, whose rule is as old as the browser.
 */

import { GRAPHEME_CLASSES } from './character-tables.js';

const MAX_MARKS = 8;
const MAX_GENERAL_MARKS = 4;
const MAX_LINKS = 5;

const LINE_SPACE = /[\t\n\v\f\r\x85\u2028\u2029]/g;
const UNSAFE = /[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}\u202a-\u202e\u2066-\u2069\ufeff]/gu;

const MARK = '[EZJNGS]';
const FAMILY = `X(?:[EJNG]*ZX){1,${MAX_LINKS}}(?![EJNG]*ZX)`;
const CONJUNCT = `K(?:[EZG]*N[EZGN]*K){1,${MAX_LINKS}}(?![EZG]*N[EZGN]*K)`;
const GRAPHEME = new RegExp(`P?(?:${FAMILY}|${CONJUNCT}|RR|LVT?|HT?|[^CP])${MARK}*|P${MARK}*|C`, 'g');
const OVERLOADED = new RegExp(`${MARK}{${MAX_MARKS + 1}}|(?:G[EZJNS]*){${MAX_GENERAL_MARKS + 1}}`);

const encoder = new TextEncoder();
/** @type {Map<number, string> | undefined} */
let classes;

/** The code points of a table's line. @param {string} written @returns {Generator<number>} */
export function* readRanges(written) {
  for (const range of written.split(' ')) {
    const [first, last = first] = range.split('-');
    for (let code = parseInt(first, 16); code <= parseInt(last, 16); code += 1) yield code;
  }
}

/** A letter for each code point: its class. @param {string} text */
function classify(text) {
  classes ??= new Map(Object.entries(GRAPHEME_CLASSES).flatMap(([letter, written]) => [...readRanges(written)].map((code) => [code, letter])));
  let letters = '';
  for (const char of text) {
    const code = /** @type {number} */ (char.codePointAt(0));
    letters += classes.get(code) ?? (code >= 0xac00 && code <= 0xd7a3 ? 'H' : 'x');
  }
  return letters;
}

/** A text without what the server removes. @param {string} text */
function strip(text) {
  return text.replace(LINE_SPACE, ' ').replace(UNSAFE, '');
}

/** What the server leaves of a text. @param {string} text */
function clean(text) {
  return strip(text).normalize('NFC').trim();
}

/** @param {string} text */
export function countGraphemes(text) {
  return classify(clean(text)).match(GRAPHEME)?.length ?? 0;
}

/** @param {string} text its length in UTF-8 */
export function countBytes(text) {
  return encoder.encode(clean(text)).length;
}

/** Whether a character bears more marks than any writing needs, so that the server refuses it. @param {string} text */
export function isOverloaded(text) {
  return OVERLOADED.test(classify(strip(text))) || OVERLOADED.test(classify(clean(text)));
}
