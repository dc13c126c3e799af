/**
 * Exchanges wire messages over plain HTTP, for networks that block WebSocket: a long poll for new entries, a POST for each
 * comment. It delivers the same messages as the WebSocket transport. It never retries by itself: a failure ends it.
 */

import { takeSlot } from './long-poll-slots.js';
import { ErrorResponse, request as requestJson } from './request.js';

/** @typedef {import('./wire.js').Transport} Transport */

const WAIT_SECONDS = 25;
const POLL_TIMEOUT_MS = (WAIT_SECONDS + 10) * 1000;
const RESPONSE_TIMEOUT_MS = 10_000;
const CHECK_TIMEOUT_MS = 5_000;
const SHORT_POLL_EVERY_MS = 1_500; // without a slot for a long poll
const PAGE_ENTRIES = 300;
const ROOM_INFO_EVERY_MS = 15_000;
const BEGINNING = '0:0'; // the cursor of a room that nobody has entered yet
const TOKEN_CODES = new Set(['bad_token', 'token_expired', 'wrong_room']);
const POLLER = crypto.getRandomValues(new Uint32Array(2)).join('-'); // this page counts as one viewer

/** A request was refused for its token, which is not sent any more. */
class TokenRefused extends Error {}

/**
 * @param {import('./wire.js').Address} address
 * @param {import('./wire.js').Listener} listener
 * @returns {Transport}
 */
export function openPolling(address, listener) {
  const room = `${address.server}/api/rooms/${address.room}`;
  const ended = new AbortController();
  let poll = new AbortController(); // the running request; a pause or a check aborts it
  let paused = false;
  let checking = false;
  let wake = () => {};
  let { name, token, user } = address;
  let isVerified = false; // whether the server has accepted the user's token

  /** @param {string} url @param {RequestInit} [init] @param {number} [timeoutMs] @param {AbortSignal[]} [signals] */
  async function request(url, init = {}, timeoutMs = RESPONSE_TIMEOUT_MS, signals = []) {
    const sent = token;
    const headers = { ...init.headers, ...(sent ? { Authorization: `Bearer ${sent}` } : {}) };
    const until = { timeoutMs, signals: [ended.signal, ...signals] };
    try {
      return await requestJson(url, { ...init, headers }, until);
    } catch (error) {
      if (!(error instanceof ErrorResponse) || !TOKEN_CODES.has(error.code) || !sent) throw error;
      if (sent === token) {
        token = '';
        user = null;
        emit({ type: 'reject', ref: null, code: error.code, message: error.message, retry_after: null }); // another token may follow
      }
      throw new TokenRefused();
    }
  }

  /** @param {unknown} error */
  function end(error) {
    if (ended.signal.aborted) return;
    ended.abort();
    if (error instanceof ErrorResponse && error.code) { // without a code it is somebody else's response, such as a proxy's
      listener.ended({ type: 'refused', status: error.status, code: error.code, retry_after: error.retryAfter }, error.message);
    } else listener.ended({ type: 'closed', code: 0 }, '');
  }

  /** Waits until `wake` is called, or for a time. @param {number} [ms] */
  function sleep(ms) {
    return /** @type {Promise<void>} */ (new Promise((resolve) => {
      wake = resolve;
      if (ms !== undefined) setTimeout(resolve, ms);
    }));
  }

  /**
   * Requests the entries after a cursor. Returns null when the request was aborted, to be sent again.
   * @param {string} after @param {boolean} wait
   */
  async function readPage(after, wait) {
    const query = new URLSearchParams({ wait: String(wait ? WAIT_SECONDS : 0), poller: POLLER });
    query.set('limit', String(after ? PAGE_ENTRIES : Math.max(1, address.history)));
    if (after) query.set('after', after);
    const { signal } = (poll = new AbortController());
    try {
      const page = await request(`${room}/entries?${query}`, {}, checking ? CHECK_TIMEOUT_MS : POLL_TIMEOUT_MS, [signal]);
      if (!Array.isArray(page.entries)) throw new Error('not a response of this server');
      return page;
    } catch (error) {
      if (signal.aborted || error instanceof TokenRefused) return null;
      throw error;
    }
  }

  async function run() {
    let after = address.cursor;
    let joined = false; // the first request does not wait for new entries
    let roomInfoAt = -Infinity;
    let viewers = 0;
    let settings = {};
    while (!ended.signal.aborted) {
      while (paused && !checking) await sleep();
      const due = performance.now() - roomInfoAt > ROOM_INFO_EVERY_MS;
      if (due) roomInfoAt = performance.now();
      const release = joined && !checking ? await takeSlot(address.server) : null;
      const askedAt = performance.now();
      const reading = readPage(after, release !== null && !paused && !checking).finally(() => release?.());
      const [page, state] = await Promise.all([reading, due ? request(room) : null]);
      if (state !== null) ({ viewers, settings } = state);
      if (page === null) continue;
      checking = false;
      const begun = after === BEGINNING && page.epoch !== '0'; // the room was not there before
      const rejoined = !joined || !page.recovered || begun;
      if (rejoined && state === null) ({ viewers, settings } = await request(room)); // they may have changed in entries that were missed
      if (rejoined) emit({ ...page, type: 'welcome', room: address.room, seq: page.last, settings, viewers, name });
      else if (page.last >= page.first) emit({ ...page, type: 'batch' });
      if (state !== null && !rejoined) emit({ type: 'viewers', count: viewers });
      if (user && !isVerified) emit({ type: 'identity', ...user });
      isVerified = true;
      after = `${page.epoch}:${page.last}`;
      joined = true;
      // Without a slot, or when a proxy responds at once.
      if (!rejoined && page.last < page.first && performance.now() - askedAt < SHORT_POLL_EVERY_MS) await sleep(SHORT_POLL_EVERY_MS);
    }
  }

  /** @param {any} message */
  function emit(message) {
    if (!ended.signal.aborted) listener.message(message);
  }

  /** Ends the running poll, and asks for what there is without waiting. */
  function askAtOnce() {
    checking = true;
    poll.abort();
    wake();
  }

  /** Before the first post: a post that is sent again, also over another transport, must be the same guest's. */
  async function becomeGuest() {
    const guest = await request(`${address.server}/api/session`, { method: 'POST', body: JSON.stringify(name ? { name } : {}) });
    token = guest.session;
    emit({ type: 'identity', ...guest });
  }

  /** @param {import('./wire.js').PostMessage} message */
  async function post({ type: _, ...fields }) {
    const send = async () => {
      if (!token) await becomeGuest();
      const body = JSON.stringify(name && !user ? { ...fields, name } : fields);
      return request(`${room}/comments`, { method: 'POST', body, headers: { 'Content-Type': 'application/json' } });
    };
    try {
      const response = await send().catch((error) => (error instanceof TokenRefused ? send() : Promise.reject(error)));
      token = response.session ?? token; // it has the newest name
      emit({ type: response.held ? 'held' : 'ack', ...response });
    } catch (error) {
      if (error instanceof ErrorResponse && error.code) {
        if (error.code.startsWith('name_')) name = ''; // the next posts go without it
        emit({ type: 'reject', ref: fields.ref, code: error.code, message: error.message, retry_after: error.retryAfter });
      } else {
        end(error); // unknown whether it was accepted: it is sent again with its ref
      }
    }
  }

  let postQueue = Promise.resolve();
  run().catch(end);

  return {
    kind: 'polling',
    check: askAtOnce,
    send(message) {
      if (ended.signal.aborted) return false;
      // One at a time: keeps the order, and the first post creates the guest that makes the next ones.
      if (message.type === 'post') postQueue = postQueue.then(() => post(message));
      if (message.type === 'auth') {
        token = message.token;
        user = message.user ?? null;
        isVerified = false;
        askAtOnce();
      }
      if (message.type === 'rename') {
        name = message.name;
        emit({ type: 'identity', user: '', name, role: 'viewer' });
      }
      if (message.type === 'pause') {
        paused = true;
        poll.abort();
      }
      if (message.type === 'resume') {
        paused = false;
        wake();
      }
      return true;
    },
    close: () => ended.abort(),
  };
}
