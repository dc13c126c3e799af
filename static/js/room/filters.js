/** What a viewer does not want to see: words and users, hidden in this browser only. */

/** @typedef {import('../page/preferences.js').Preferences} Preferences */
/** @typedef {{user?: string, name?: string, text: string}} Said */

const WORDS_OFFERED = 6;
const words = new Intl.Segmenter(undefined, { granularity: 'word' });

/** One spelling for what reads the same. @param {string} text */
function plain(text) {
  return text.normalize('NFKC').toLowerCase();
}

/** A test for what is hidden now; it is asked once per comment, so the words are prepared once. @param {Preferences} preferences */
export function makeFilter({ values: { hiddenWords, hiddenUsers } }) {
  const unwanted = hiddenWords.map(plain);
  const users = new Set(hiddenUsers.map(({ user }) => user));
  if (unwanted.length === 0 && users.size === 0) return () => false;
  /** @param {Said} said */
  return ({ user, text }) => {
    if (user !== undefined && users.has(user)) return true;
    const spelt = plain(text);
    return unwanted.some((word) => spelt.includes(word));
  };
}

/** @param {Preferences} preferences @param {string} word */
export function hideWord(preferences, word) {
  const { hiddenWords } = preferences.values;
  const trimmed = word.trim();
  if (trimmed === '' || hiddenWords.some((known) => plain(known) === plain(trimmed))) return;
  preferences.set({ hiddenWords: [...hiddenWords, trimmed] });
}

/** @param {Preferences} preferences @param {string} word */
export function showWord(preferences, word) {
  preferences.set({ hiddenWords: preferences.values.hiddenWords.filter((known) => known !== word) });
}

/** @param {Preferences} preferences @param {string} user @param {string} name what the user went by */
export function hideUser(preferences, user, name) {
  const others = preferences.values.hiddenUsers.filter((known) => known.user !== user);
  preferences.set({ hiddenUsers: [...others, { user, name }] });
}

/** @param {Preferences} preferences @param {string} user */
export function showUser(preferences, user) {
  preferences.set({ hiddenUsers: preferences.values.hiddenUsers.filter((known) => known.user !== user) });
}

/** The words of a text that one may want to hide. @param {string} text @returns {string[]} */
export function wordsOf(text) {
  const found = new Set();
  for (const { segment, isWordLike } of words.segment(text)) {
    if (isWordLike) found.add(segment);
    if (found.size === WORDS_OFFERED) break;
  }
  return [...found];
}
