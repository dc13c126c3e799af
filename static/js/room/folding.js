/** Folds text by the server's rule and table (chat/core/folding.py), so that spellings which read the same compare as equal. */

import { FOLDS, INVISIBLE, SPACES } from './folding-tables.js';
import { readRanges } from './graphemes.js';

/** @type {Map<number, string> | undefined} built on first use: few viewers hide words */
let folds;

function readFolds() {
  /** @type {Map<number, string>} */
  const read = new Map();
  for (const line of FOLDS) {
    const [first, ...targets] = line.split(' ');
    targets.forEach((target, place) => read.set(parseInt(first, 16) + place, target.replaceAll('␣', ' ')));
  }
  for (const code of readRanges(INVISIBLE)) read.set(code, '');
  for (const code of readRanges(SPACES)) read.set(code, ' ');
  return read;
}

/** Folds a text for comparison; the result is never shown. @param {string} text in NFC */
export function fold(text) {
  folds ??= readFolds();
  let folded = '';
  for (const char of text) folded += folds.get(/** @type {number} */ (char.codePointAt(0))) ?? char;
  return folded;
}
