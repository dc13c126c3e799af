/**
 * Whether a hidden word stands in a text. Both are folded (folding.js), so case, width, marks, invisible characters and
 * look-alikes make no difference. Then:
 *
 * - A word of a script that sets blanks between words matches whole words: `cunt` is not in "Scunthorpe". Scripts without
 *   blanks match anywhere, and so does Hangul, whose particles are written to the word; digits too, so `666` is in "66666".
 * - Punctuation and symbols between the letters are passed over: `s.p.a.m`, `sp*am`. Blanks and apostrophes are passed over
 *   only where all letters are set apart, at least three of them: `s p a m`, but "he'll" is not `hell`.
 * - A digit or sign may stand for the letter that it resembles: `sp4m`, `$pam`. One letter at least must be there: "15" is
 *   not `is`.
 * - Blanks and punctuation inside a hidden phrase match any such; at its ends, and where it has no letters, it is literal.
 */

import { fold } from './folding.js';

/** @typedef {'letter' | 'mark' | 'digit' | 'blank' | 'punctuation' | 'symbol'} Kind */
/** @typedef {{folded: string, chars: string[], kinds: Kind[], inWord: boolean[]}} Prepared `inWord`: belongs to a word between blanks */
/**
 * One step of a word: the characters that it accepts, or what sets two words of a phrase apart.
 * @typedef {{accepts: string, loose: boolean}} Step  `loose`: others may stand before it
 */

const SPREAD_LEAST = 3;
/** @type {Record<string, string>} */
const RESEMBLING = { a: 'a4@', b: 'b8', e: 'e3', g: 'g9', i: 'i1!|', l: 'l1|', o: 'o0', s: 's5$', t: 't7+' };
/** @type {Step} */
const APART = { accepts: '', loose: false };

const NO_BLANKS = new RegExp(`[${[
  'Han', 'Hiragana', 'Katakana', 'Bopomofo', 'Hangul', 'Yi', 'Thai', 'Lao', 'Khmer', 'Myanmar', 'Tibetan', 'Tai_Le', 'New_Tai_Lue',
  'Tai_Tham', 'Tai_Viet', 'Javanese', 'Balinese',
].map((script) => `\\p{scx=${script}}`).join('')}]`, 'u');
/** @type {[Kind, RegExp][]} */
const KINDS = [['letter', /\p{L}/u], ['mark', /\p{M}/u], ['digit', /\p{N}/u], ['blank', /[\s']/], ['punctuation', /\p{P}/u]];

/** @param {string} char @returns {Kind} */
function kindOf(char) {
  return KINDS.find(([, pattern]) => pattern.test(char))?.[0] ?? 'symbol';
}

/** @param {Kind | undefined} kind */
function spells(kind) {
  return kind === 'letter' || kind === 'mark' || kind === 'digit';
}

/** A text as the tests of hidden words read it, made once for all of them. @param {string} text @returns {Prepared} */
export function prepare(text) {
  const folded = fold(text.normalize('NFC')).trim();
  const chars = [...folded];
  const kinds = chars.map(kindOf);
  const inWord = chars.map((char, place) => (kinds[place] === 'letter' || kinds[place] === 'mark') && !NO_BLANKS.test(char));
  return { folded, chars, kinds, inWord };
}

/** A test of prepared texts; null when there is nothing in the word to look for. @param {string} word @returns {((text: Prepared) => boolean) | null} */
export function makeWordTest(word) {
  const prepared = prepare(word);
  const { folded, kinds, inWord } = prepared;
  if (folded === '') return null;
  if (!kinds.some(spells)) return (text) => text.folded.includes(folded);
  const ways = [{ steps: stepsOf(prepared), spread: false }];
  const plain = spells(kinds[0]) && spells(kinds.at(-1));
  const letters = kinds.filter((kind) => kind === 'letter' || kind === 'digit');
  if (plain && letters.length >= SPREAD_LEAST) ways.push({ steps: spreadOf(prepared), spread: true });
  const needsLetter = kinds.includes('letter');
  const begins = inWord[0];
  const ends = /** @type {boolean} */ (inWord.at(-1));
  return (text) => ways.some(({ steps, spread }) => {
    const stops = find(steps, spread, text, begins, needsLetter);
    return stops.some((stop) => text.kinds[stop] !== 'mark' && !(ends && text.inWord[stop]));
  });
}

/** The word in one piece, with at most signs between its letters. @param {Prepared} word */
function stepsOf({ chars, kinds }) {
  const first = kinds.findIndex(spells);
  const last = kinds.findLastIndex(spells);
  /** @type {Step[]} */
  const steps = [];
  chars.forEach((char, place) => {
    const inside = place > first && place < last;
    if (inside && (kinds[place] === 'blank' || kinds[place] === 'punctuation')) {
      if (steps.at(-1) !== APART) steps.push(APART);
    } else steps.push({ accepts: RESEMBLING[char] ?? char, loose: steps.at(-1) !== APART && isLoose(kinds, place) });
  });
  return steps;
}

/** The word with its letters set apart. @param {Prepared} word */
function spreadOf({ chars, kinds }) {
  return chars.flatMap((char, place) => {
    if (!spells(kinds[place])) return [];
    return [{ accepts: RESEMBLING[char] ?? char, loose: place > 0 && (isLoose(kinds, place) || !spells(kinds[place - 1])) }];
  });
}

/** Not before a mark, nor between digits, where it makes other numbers. @param {Kind[]} kinds @param {number} place */
function isLoose(kinds, place) {
  const [kind, previous] = [kinds[place], kinds[place - 1]];
  return kind !== 'mark' && spells(kind) && spells(previous) && !(kind === 'digit' && previous === 'digit');
}

/**
 * Where the word may stop in a text. All ways to read the text are followed at once, so that no text takes long: a state is a
 * place and whether a letter was among what is read.
 * @param {Step[]} steps
 * @param {boolean} spread
 * @param {Prepared} text
 * @param {boolean} begins whether it must begin where a word begins
 * @param {boolean} needsLetter
 */
function find(steps, spread, { chars, kinds, inWord }, begins, needsLetter) {
  /** @param {number} place */
  const passes = (place) => place < chars.length && !spells(kinds[place]) && (spread || kinds[place] !== 'blank');
  /** @param {number} place @param {number} hasLetter */
  const behind = (place, hasLetter) => 2 * (place + 1) + (kinds[place] === 'letter' ? 1 : hasLetter);
  const [first, ...others] = steps;
  /** @type {Set<number>} */
  let states = new Set();
  for (let place = 0; place < chars.length; place += 1) {
    if (first.accepts.includes(chars[place]) && !(begins && inWord[place - 1])) states.add(behind(place, 0));
  }
  for (const step of others) {
    if (states.size === 0) break;
    /** @type {Set<number>} */
    const next = new Set();
    for (const state of states) {
      const hasLetter = state % 2;
      let place = (state - hasLetter) / 2;
      if (step === APART) {
        while (place < chars.length && !spells(kinds[place])) next.add(2 * (place += 1) + hasLetter);
        continue;
      }
      if (spread && step.loose && !passes(place++)) continue;
      for (; place < chars.length; place += 1) {
        if (step.accepts.includes(chars[place])) next.add(behind(place, hasLetter));
        if (!step.loose || !passes(place)) break;
      }
    }
    states = next;
  }
  return [...states].filter((state) => !needsLetter || state % 2 === 1).map((state) => Math.floor(state / 2));
}
