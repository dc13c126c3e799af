/** What a moderator does in a room, over HTTP (docs/moderation.md). Each call returns when its result is durable. */

import { request } from './request.js';

/** @typedef {{id: number, user: string, kind: string, until: number | null, address: boolean, reason: string, by: string, at: number}} Sanction times in Unix milliseconds */
/** @typedef {{user: string, kind: string, minutes?: number, address?: boolean, reason?: string}} NewSanction */
/** @typedef {{match: 'word' | 'pattern', text: string, action: string}} Filter */
/** @typedef {{id: number, user: string, name: string, text: string, at: number, cause: string}} HeldItem a comment that waits */
/** @typedef {{seq: number, user: string, name: string, text: string, at: number, count: number, reasons: string[], last: number}} ReportItem a comment with open reports */
/** @typedef {{user: string, name: string, first_seen: number | null, comments: import('./wire.js').Entry[], sanctions: Sanction[], reports: number}} UserCard */

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

  /** @returns {Promise<{held: HeldItem[]}>} the comments that wait, oldest first */
  held() {
    return this.#call('GET', 'held');
  }

  /** Approves a held comment, or not; the first decision counts. @param {number} id @param {boolean} approve @returns {Promise<{id: number, approved: boolean, seq: number}>} */
  decide(id, approve) {
    return this.#call('POST', `held/${id}`, { approve });
  }

  /** @returns {Promise<{reports: ReportItem[]}>} the reported comments, most reports first */
  reports() {
    return this.#call('GET', 'reports');
  }

  /** Dismisses the reports on a comment. @param {number} seq */
  dismiss(seq) {
    return this.#call('DELETE', `reports/${seq}`);
  }

  /** @returns {Promise<{sanctions: Sanction[]}>} those in force, oldest first */
  sanctions() {
    return this.#call('GET', 'sanctions');
  }

  /** Mutes or bans a user; without `minutes` for good. @param {NewSanction} sanction @returns {Promise<Sanction>} */
  sanction(sanction) {
    return this.#call('POST', 'sanctions', sanction);
  }

  /** Ends a sanction. @param {number} id */
  lift(id) {
    return this.#call('DELETE', `sanctions/${id}`);
  }

  /** @param {string} user @returns {Promise<UserCard>} */
  user(user) {
    return this.#call('GET', `users/${encodeURIComponent(user)}`);
  }

  /** @returns {Promise<{log: import('./wire.js').Act[]}>} the newest acts, oldest first */
  log() {
    return this.#call('GET', 'log?limit=100');
  }

  /** Changes settings; only hosts may. @param {Record<string, unknown>} patch null resets a field */
  changeSettings(patch) {
    return this.#call('PATCH', 'settings', patch);
  }

  /** Puts strict rules in force over the room's own; only hosts may. @param {object} [shield] which, if not the usual ones */
  raiseShield(shield = {}) {
    return this.#call('POST', 'shield', shield);
  }

  /** The room's own rules are in force again. */
  lowerShield() {
    return this.#call('DELETE', 'shield');
  }

  /** Returns the filters, or those before an act; only hosts may. @param {number} [before] @returns {Promise<{filters: Filter[]}>} */
  filters(before) {
    return this.#call('GET', before === undefined ? 'filters' : `filters?before=${before}`);
  }

  /** Replaces all filters; only hosts may. @param {Filter[]} filters @returns {Promise<{id: number, count: number}>} */
  setFilters(filters) {
    return this.#call('PUT', 'filters', { filters });
  }

  /** What the filters would do with a text. @param {string} text @returns {Promise<{action: string | null, matches: Filter[], text: string}>} */
  tryFilters(text) {
    return this.#call('POST', 'filters/try', { text });
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
