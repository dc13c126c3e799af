/** The token of a user in one room (docs/identity.md), kept for this tab: a reload is the same user, another tab is not. */

/** @typedef {{user: string, name: string, role: string}} Claims whom a token names, as it says itself: only the server can verify it */

export class UserToken {
  #key;
  #token = '';

  /** @param {string} server @param {string} room */
  constructor(server, room) {
    this.#key = `danmaku.token ${server} ${room}`;
    try {
      this.#token = sessionStorage.getItem(this.#key) ?? '';
    } catch {
      // Without storage the token is lost with the page.
    }
  }

  get token() {
    return this.#token;
  }

  /** @returns {Claims | null} null without a token, or when it cannot be read */
  get claims() {
    try {
      const payload = this.#token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/');
      const bytes = Uint8Array.from(atob(payload), (char) => char.charCodeAt(0));
      const { sub: user, name, role } = JSON.parse(new TextDecoder().decode(bytes));
      return [user, name, role].every((claim) => typeof claim === 'string') ? { user, name, role } : null;
    } catch {
      return null;
    }
  }

  /** @param {string} token '' forgets it */
  store(token) {
    this.#token = token;
    try {
      if (token) sessionStorage.setItem(this.#key, token);
      else sessionStorage.removeItem(this.#key);
    } catch {
      // as above
    }
  }
}
