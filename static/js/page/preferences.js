/**
 * What this viewer chose, kept in this browser and shared by its tabs. A value that is no longer understood falls back to
 * its default; nothing is ever sent to the server.
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

/** The least and the most of each number. @type {Record<string, [number, number]>} */
const BOUNDS = {
  opacity: [0.1, 1],
  scale: [0.5, 2],
  speed: [0.5, 2],
  area: [0.25, 1],
  density: [0, 1],
  delaySeconds: [0, 60],
  volume: [0, 1],
};
const HIDDEN_MOST = 200;

export class Preferences extends EventTarget {
  /** @type {Values} */
  #values;

  constructor() {
    super();
    this.#values = understand(read());
    addEventListener('storage', (event) => {
      if (event.key !== KEY) return;
      this.#values = understand(read());
      this.dispatchEvent(new Event('change'));
    });
  }

  /** @returns {Readonly<Values>} */
  get values() {
    return this.#values;
  }

  /** @param {Partial<Values>} changes */
  set(changes) {
    this.#values = understand({ ...this.#values, ...changes });
    this.#keep();
  }

  /** Back to how it was before anything was chosen; the name stays, it is no setting. */
  reset() {
    this.#values = understand({ name: this.#values.name });
    this.#keep();
  }

  #keep() {
    try {
      localStorage.setItem(KEY, JSON.stringify(this.#values));
    } catch {
      // A browser that keeps nothing still applies it for this visit.
    }
    this.dispatchEvent(new Event('change'));
  }
}

/** @returns {Record<string, unknown>} */
function read() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? '{}');
    return kept !== null && typeof kept === 'object' ? kept : {};
  } catch {
    return {};
  }
}

/** @param {Record<string, unknown>} raw @returns {Values} */
function understand(raw) {
  /** @type {Record<string, unknown>} */
  const values = { ...DEFAULTS };
  for (const [name, usual] of Object.entries(DEFAULTS)) {
    const value = raw[name];
    if (typeof value !== typeof usual || Array.isArray(value) !== Array.isArray(usual)) continue;
    if (typeof value === 'number') {
      const [least, most] = BOUNDS[name];
      values[name] = Number.isFinite(value) ? Math.min(most, Math.max(least, value)) : usual;
    } else values[name] = Array.isArray(value) ? value.slice(-HIDDEN_MOST) : value;
  }
  const understood = /** @type {Values} */ (values);
  understood.hiddenWords = understood.hiddenWords.filter((word) => typeof word === 'string' && word !== '');
  understood.hiddenUsers = understood.hiddenUsers.filter((hidden) => typeof hidden?.user === 'string' && typeof hidden.name === 'string');
  return understood;
}
