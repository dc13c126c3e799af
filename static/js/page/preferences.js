/**
 * The viewer's preferences, stored in this browser and shared by its tabs. What was stored may be of another version or damaged:
 * an invalid value is replaced by its default.
 *
 * Event: `change`, whenever a value changed here or in another tab.
 */

const KEY = 'danmaku.preferences';

/** @typedef {{user: string, name: string}} HiddenUser */

const DEFAULTS = {
  theme: 'system',
  danmaku: true,
  opacity: 1,
  scale: 1,
  speed: 1,
  area: 1,
  density: 1,
  scroll: true,
  top: true,
  bottom: true,
  merge: true,
  delaySeconds: 0,
  hiddenWords: /** @type {string[]} */ ([]),
  hiddenUsers: /** @type {HiddenUser[]} */ ([]),
  announce: true,
  theatre: false,
  volume: 1,
  muted: false,
  name: '',
  mode: 'scroll',
  size: 'normal',
  color: '#ffffff',
};

/** @typedef {typeof DEFAULTS} Values */

/** The minimum and maximum of each number. @type {Record<string, [number, number]>} */
const BOUNDS = {
  opacity: [0.1, 1],
  scale: [0.5, 2],
  speed: [0.5, 2],
  area: [0.25, 1],
  density: [0, 1],
  delaySeconds: [0, 60],
  volume: [0, 1],
};
const MAX_HIDDEN = 200;
const MAX_HIDDEN_LENGTH = 2000; // the longest text that the server accepts, in UTF-16 units

/** What each string must match, where not every string is valid. @type {Record<string, RegExp>} */
const PATTERNS = {
  theme: /^(system|dark|light)$/,
  name: /^.{0,400}$/su,
  mode: /^(scroll|top|bottom)$/,
  size: /^(small|normal|large)$/,
  color: /^#[0-9a-f]{6}$/i,
};

export class Preferences extends EventTarget {
  /** @type {Values} */
  #values;

  constructor() {
    super();
    this.#values = validate(read());
    addEventListener('storage', (event) => {
      if (event.key !== KEY) return;
      this.#values = validate(read());
      this.dispatchEvent(new Event('change'));
    });
  }

  /** @returns {Readonly<Values>} */
  get values() {
    return this.#values;
  }

  /** @param {Partial<Values>} changes */
  set(changes) {
    this.#values = validate({ ...this.#values, ...changes });
    this.#save();
  }

  /** Resets everything but the name, which is no setting. */
  reset() {
    this.#values = validate({ name: this.#values.name });
    this.#save();
  }

  #save() {
    try {
      localStorage.setItem(KEY, JSON.stringify(this.#values));
    } catch {
      // Without storage they apply until the page is closed.
    }
    this.dispatchEvent(new Event('change'));
  }
}

/** @returns {Record<string, unknown>} */
function read() {
  try {
    const stored = JSON.parse(localStorage.getItem(KEY) ?? '{}');
    return stored !== null && typeof stored === 'object' ? stored : {};
  } catch {
    return {};
  }
}

/** @param {Record<string, unknown>} raw @returns {Values} */
function validate(raw) {
  /** @type {Record<string, unknown>} */
  const values = { ...DEFAULTS };
  for (const [name, fallback] of Object.entries(DEFAULTS)) {
    const value = raw[name];
    if (typeof value !== typeof fallback || Array.isArray(value) !== Array.isArray(fallback) || value === null) continue;
    if (typeof value === 'string' && PATTERNS[name]?.test(value) === false) continue;
    if (typeof value === 'number') {
      const [min, max] = BOUNDS[name];
      values[name] = Number.isFinite(value) ? Math.min(max, Math.max(min, value)) : fallback;
    } else values[name] = Array.isArray(value) ? value.slice(-MAX_HIDDEN) : value;
  }
  const valid = /** @type {Values} */ (values);
  valid.hiddenWords = valid.hiddenWords.filter((word) => isHideable(word) && word !== '');
  valid.hiddenUsers = valid.hiddenUsers.filter((hidden) => isHideable(hidden?.user) && isHideable(hidden.name));
  return valid;
}

/** @param {unknown} text */
function isHideable(text) {
  return typeof text === 'string' && text.length <= MAX_HIDDEN_LENGTH;
}
