/** Words and users that the viewer hides, in this browser only. */

import { makeWordTest, prepare } from './hidden-words.js';

/** @typedef {import('../page/preferences.js').Preferences} Preferences */
/** @typedef {{user?: string, name?: string, text: string}} Comment */

const MAX_WORDS = 6;
const segmenter = new Intl.Segmenter(undefined, { granularity: 'word' });

/** Returns a test for comments to hide. It is called for every comment, so the words are prepared once. @param {Preferences} preferences */
export function makeFilter({ values: { hiddenWords, hiddenUsers } }) {
  const tests = hiddenWords.map(makeWordTest).filter((test) => test !== null);
  const users = new Set(hiddenUsers.map(({ user }) => user));
  if (tests.length === 0 && users.size === 0) return () => false;
  /** @param {Comment} comment */
  return ({ user, text }) => {
    if (user !== undefined && users.has(user)) return true;
    if (tests.length === 0) return false;
    const prepared = prepare(text);
    return tests.some((test) => test(prepared));
  };
}

/** @param {Preferences} preferences @param {string} word */
export function hideWord(preferences, word) {
  const { hiddenWords } = preferences.values;
  const trimmed = word.trim();
  const { folded } = prepare(trimmed);
  if (folded === '' || hiddenWords.some((known) => prepare(known).folded === folded)) return;
  preferences.set({ hiddenWords: [...hiddenWords, trimmed] });
}

/** @param {Preferences} preferences @param {string} word */
export function showWord(preferences, word) {
  preferences.set({ hiddenWords: preferences.values.hiddenWords.filter((known) => known !== word) });
}

/** @param {Preferences} preferences @param {string} user @param {string} name the user's name, for the list of hidden users */
export function hideUser(preferences, user, name) {
  const others = preferences.values.hiddenUsers.filter((known) => known.user !== user);
  preferences.set({ hiddenUsers: [...others, { user, name }] });
}

/** @param {Preferences} preferences @param {string} user */
export function showUser(preferences, user) {
  preferences.set({ hiddenUsers: preferences.values.hiddenUsers.filter((known) => known.user !== user) });
}

/** The first words of a text, to offer them for hiding. @param {string} text @returns {string[]} */
export function wordsOf(text) {
  const found = new Set();
  for (const { segment, isWordLike } of segmenter.segment(text)) {
    if (isWordLike) found.add(segment);
    if (found.size === MAX_WORDS) break;
  }
  return [...found];
}
