/** The session the server gave this browser, so that a guest stays the same user; kept across visits, per origin. */
export class Session {
  #key;
  #token = '';

  /** @param {string} origin the server it belongs to */
  constructor(origin) {
    this.#key = `danmaku.session ${origin}`;
    try {
      this.#token = localStorage.getItem(this.#key) ?? '';
    } catch {
      // A browser that keeps nothing meets the server as a new guest each time.
    }
  }

  get token() {
    return this.#token;
  }

  /** @param {string} token */
  keep(token) {
    this.#token = token;
    try {
      localStorage.setItem(this.#key, token);
    } catch {
      // as above
    }
  }

  discard() {
    this.#token = '';
    try {
      localStorage.removeItem(this.#key);
    } catch {
      // as above
    }
  }
}
