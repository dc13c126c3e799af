/** One spelling for texts that read the same, by the server's table and rule (chat/core/folding.py). */

import { FOLDS, INVISIBLE, SPACES } from './character-tables.js';
import { readRanges } from './graphemes.js';

/** @type {Map<number, string> | undefined} read when a word is hidden first */
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

/** For comparison, never to be shown. @param {string} text in NFC */
export function fold(text) {
  folds ??= readFolds();
  let folded = '';
  for (const char of text) folded += folds.get(/** @type {number} */ (char.codePointAt(0))) ?? char;
  return folded;
}
