/** Words and users that the viewer hides, in this browser only. */

/** @typedef {import('../page/preferences.js').Preferences} Preferences */
/** @typedef {{user?: string, name?: string, text: string}} Comment */

const MAX_WORDS = 6;
const segmenter = new Intl.Segmenter(undefined, { granularity: 'word' });

/** Removes differences of case and of compatible characters. @param {string} text */
function normalize(text) {
  return text.normalize('NFKC').toLowerCase();
}

/** Returns a test for comments to hide. It is called for every comment, so the words are normalized once. @param {Preferences} preferences */
export function makeFilter({ values: { hiddenWords, hiddenUsers } }) {
  const hidden = hiddenWords.map(normalize);
  const users = new Set(hiddenUsers.map(({ user }) => user));
  if (hidden.length === 0 && users.size === 0) return () => false;
  /** @param {Comment} comment */
  return ({ user, text }) => {
    if (user !== undefined && users.has(user)) return true;
    const normalized = normalize(text);
    return hidden.some((word) => normalized.includes(word));
  };
}

/** @param {Preferences} preferences @param {string} word */
export function hideWord(preferences, word) {
  const { hiddenWords } = preferences.values;
  const trimmed = word.trim();
  if (trimmed === '' || hiddenWords.some((known) => normalize(known) === normalize(trimmed))) return;
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
