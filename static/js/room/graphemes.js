/** Counts what a reader calls characters, as the server does: extended grapheme clusters (UAX #29) of the NFC text. */

const segmenter = new Intl.Segmenter('und', { granularity: 'grapheme' });
const encoder = new TextEncoder();

/** @param {string} text */
export function countGraphemes(text) {
  let count = 0;
  for (const _ of segmenter.segment(text.normalize('NFC').trim())) count += 1;
  return count;
}

/** @param {string} text its length in UTF-8 */
export function countBytes(text) {
  return encoder.encode(text.normalize('NFC').trim()).length;
}
