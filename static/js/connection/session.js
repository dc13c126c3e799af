/** The session token of a guest, stored in this browser for each server, so that a returning guest is the same user. */
export class Session {
  #key;
  #token = '';

  /** @param {string} server the server that issued it */
  constructor(server) {
    this.#key = `danmaku.session ${server}`;
    try {
      this.#token = localStorage.getItem(this.#key) ?? '';
    } catch {
      // Without storage each visit is a new guest.
    }
  }

  get token() {
    return this.#token;
  }

  /** @param {string} token */
  store(token) {
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
