/**
 * Words and users that the viewer hides, in this browser only. The module that compares words has large tables, so it is loaded
 * when the viewer hides the first word.
 */

/** @typedef {import('../page/preferences.js').Preferences} Preferences */
/** @typedef {{user?: string, name?: string, text: string}} Comment */

const MAX_WORDS = 6;

/** @type {Promise<typeof import('./hidden-words.js')> | undefined} */
let loading;

/** Loads the module once: who awaits the same promise goes on in the order of the calls, so that words keep their order. */
function loadHiddenWords() {
  loading ??= import('./hidden-words.js').catch((error) => {
    loading = undefined;
    throw error;
  });
  return loading;
}

const segmenter = new Intl.Segmenter(undefined, { granularity: 'word' });

/**
 * Returns a test for comments to hide. It is called for every comment, so the words are prepared once.
 * @param {Preferences} preferences
 * @returns {Promise<(comment: Comment) => boolean>}
 */
export async function makeFilter({ values: { hiddenWords, hiddenUsers } }) {
  const users = new Set(hiddenUsers.map(({ user }) => user));
  const hidesWord = hiddenWords.length ? await makeWordsTest(hiddenWords) : () => false;
  return ({ user, text }) => (user !== undefined && users.has(user)) || hidesWord(text);
}

/** @param {string[]} words @returns {Promise<(text: string) => boolean>} */
async function makeWordsTest(words) {
  const { makeWordTest, prepare } = await loadHiddenWords();
  const tests = words.map(makeWordTest).filter((test) => test !== null);
  return (text) => {
    const prepared = prepare(text);
    return tests.some((test) => test(prepared));
  };
}

/** @param {Preferences} preferences @param {string} word */
export async function hideWord(preferences, word) {
  const { prepare } = await loadHiddenWords();
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
