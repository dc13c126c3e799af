/**
 * Tells whether a text contains a hidden word. Both are folded (folding.js), which removes differences of case, width, marks,
 * invisible characters and look-alikes. The rules:
 *
 * - In scripts that put spaces between words, a hidden word matches whole words only: `cunt` does not match "Scunthorpe".
 *   In scripts without spaces it matches anywhere. So it does in Hangul, where particles follow the word without a space,
 *   and with digits at its ends: `666` matches "66666".
 * - Punctuation and symbols between letters are ignored: `s.p.a.m`, `sp*am`. Spaces and apostrophes are ignored only if
 *   every letter is separated and there are at least three: `s p a m` matches, but "he'll" does not match `hell`.
 * - A digit or symbol matches the letter that it resembles (`sp4m`, `$pam`) if at least one real letter is left: "15" does
 *   not match `is`.
 * - Inside a hidden phrase, spaces and punctuation match any spaces and punctuation. At its ends, and in a hidden word
 *   without letters or digits, they are literal.
 */

import { fold } from './folding.js';

/** @typedef {'letter' | 'mark' | 'digit' | 'blank' | 'punctuation' | 'symbol'} Kind */
/** @typedef {{folded: string, chars: string[], kinds: Kind[], inWord: boolean[]}} Prepared `inWord`: a letter or mark of a script with spaces between words */
/**
 * One step of the match: the characters that it accepts, or the gap between two words of a phrase.
 * @typedef {{accepts: string, loose: boolean}} Step  `loose`: ignored characters may precede it
 */

const MIN_SPREAD = 3;
/** @type {Record<string, string>} */
const RESEMBLING = { a: 'a4@', b: 'b8', e: 'e3', g: 'g9', i: 'i1!|', l: 'l1|', o: 'o0', s: 's5$', t: 't7+' };
/** @type {Step} */
const GAP = { accepts: '', loose: false };

const NO_SPACES = new RegExp(`[${[
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

/** Prepares a text for the tests of all hidden words. @param {string} text @returns {Prepared} */
export function prepare(text) {
  const folded = fold(text.normalize('NFC')).trim();
  const chars = [...folded];
  const kinds = chars.map(kindOf);
  const inWord = chars.map((char, place) => (kinds[place] === 'letter' || kinds[place] === 'mark') && !NO_SPACES.test(char));
  return { folded, chars, kinds, inWord };
}

/** Returns a test for prepared texts, or null if the word has no visible characters. @param {string} word @returns {((text: Prepared) => boolean) | null} */
export function makeWordTest(word) {
  const prepared = prepare(word);
  const { folded, kinds, inWord } = prepared;
  if (folded === '') return null;
  if (!kinds.some(spells)) return (text) => text.folded.includes(folded);
  const ways = [{ steps: stepsOf(prepared), spread: false }];
  const plain = spells(kinds[0]) && spells(kinds.at(-1));
  const letters = kinds.filter((kind) => kind === 'letter' || kind === 'digit');
  if (plain && letters.length >= MIN_SPREAD) ways.push({ steps: spreadOf(prepared), spread: true });
  const needsLetter = kinds.includes('letter');
  const begins = inWord[0];
  const ends = /** @type {boolean} */ (inWord.at(-1));
  return (text) => ways.some(({ steps, spread }) => {
    const stops = find(steps, spread, text, begins, needsLetter);
    return stops.some((stop) => text.kinds[stop] !== 'mark' && !(ends && text.inWord[stop]));
  });
}

/** The steps of the word without spaces between its letters. @param {Prepared} word */
function stepsOf({ chars, kinds }) {
  const first = kinds.findIndex(spells);
  const last = kinds.findLastIndex(spells);
  /** @type {Step[]} */
  const steps = [];
  chars.forEach((char, place) => {
    const inside = place > first && place < last;
    if (inside && (kinds[place] === 'blank' || kinds[place] === 'punctuation')) {
      if (steps.at(-1) !== GAP) steps.push(GAP);
    } else steps.push({ accepts: RESEMBLING[char] ?? char, loose: steps.at(-1) !== GAP && isLoose(kinds, place) });
  });
  return steps;
}

/** The steps of the word with every letter separated. @param {Prepared} word */
function spreadOf({ chars, kinds }) {
  return chars.flatMap((char, place) => {
    if (!spells(kinds[place])) return [];
    return [{ accepts: RESEMBLING[char] ?? char, loose: place > 0 && (isLoose(kinds, place) || !spells(kinds[place - 1])) }];
  });
}

/** Nothing is ignored before a mark, or between digits, where it would make another number. @param {Kind[]} kinds @param {number} place */
function isLoose(kinds, place) {
  const [kind, previous] = [kinds[place], kinds[place - 1]];
  return kind !== 'mark' && spells(kind) && spells(previous) && !(kind === 'digit' && previous === 'digit');
}

/**
 * Returns the places after each match. It follows all possible matches at once, as a nondeterministic automaton, so that no
 * text takes exponential time. A state is a place and whether a real letter was matched, in one number.
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
      if (step === GAP) {
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
