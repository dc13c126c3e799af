/** What a moderator does in a room, over HTTP (docs/moderation.md). Each call returns when its result is durable. */

import { request } from './request.js';

const TIMEOUT_MS = 10_000;

export class Moderator {
  #rooms;
  #token;

  /** @param {{server: string, room: string, token: () => string}} options token: the moderator's, at the time of the call */
  constructor({ server, room, token }) {
    this.#rooms = `${server}/api/rooms/${encodeURIComponent(room)}`;
    this.#token = token;
  }

  /** Removes one comment. @param {number} seq */
  retract(seq) {
    return this.#call('DELETE', `comments/${seq}`);
  }

  /** Removes all comments of a user. @param {string} user */
  clearUser(user) {
    return this.#call('POST', 'clear', { user });
  }

  /**
   * Throws an ErrorResponse, or another error when no response came.
   * @param {string} method @param {string} path @param {object} [body] @returns {Promise<any>}
   */
  #call(method, path, body) {
    const headers = { Authorization: `Bearer ${this.#token()}` };
    return request(`${this.#rooms}/${path}`, { method, headers, body: body && JSON.stringify(body) }, { timeoutMs: TIMEOUT_MS, signals: [] });
  }
}
