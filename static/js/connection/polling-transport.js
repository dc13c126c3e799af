/**
 * Exchanges wire messages over plain HTTP, for networks that block WebSocket: a long poll for new entries, a POST for each
 * comment. It delivers the same messages as the WebSocket transport. It never retries by itself: a failure ends it.
 */

/** @typedef {import('./wire.js').Transport} Transport */
/** @typedef {import('./wire.js').Reject} Reject */

const WAIT_SECONDS = 25;
const TIMEOUT_MS = (WAIT_SECONDS + 10) * 1000;
const PAGE_ENTRIES = 300;
const ROOM_INFO_EVERY_MS = 15_000;
const BEGINNING = '0:0'; // the cursor of a room that nobody has entered yet
const POLLER = crypto.getRandomValues(new Uint32Array(2)).join('-'); // this page counts as one viewer

/** A response with an error status. */
class ErrorResponse extends Error {
  /** @param {number} status @param {{code?: string, message?: string, retry_after?: number | null}} error */
  constructor(status, error) {
    super(error.message ?? '');
    this.status = status;
    this.code = error.code ?? '';
    this.retryAfter = error.retry_after ?? null;
  }
}

/**
 * @param {import('./wire.js').Address} address
 * @param {import('./wire.js').Listener} listener
 * @returns {Transport}
 */
export function openPolling(address, listener) {
  const room = `${address.server}/api/rooms/${address.room}`;
  const ended = new AbortController();
  let poll = new AbortController(); // the running request; a pause aborts it
  let paused = false;
  let wake = () => {};
  let { name, token } = address;

  /** @param {string} url @param {RequestInit} [init] */
  async function request(url, init = {}) {
    const signal = AbortSignal.any([ended.signal, AbortSignal.timeout(TIMEOUT_MS), ...(init.signal ? [init.signal] : [])]);
    const headers = { ...init.headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
    const response = await fetch(url, { ...init, headers, signal, cache: 'no-store' });
    const body = await response.json().catch(() => ({}));
    if (!response.ok) throw new ErrorResponse(response.status, body.error ?? {});
    return body;
  }

  /** @param {unknown} error */
  function end(error) {
    if (ended.signal.aborted) return;
    ended.abort();
    const response = error instanceof ErrorResponse ? error : null;
    const again = response === null || response.status >= 500 || [408, 425, 429].includes(response.status);
    const message = response?.message ?? '';
    listener.ended({ code: response?.status ?? 0, message, reason: response?.code, again, after: response?.retryAfter ?? null });
  }

  async function run() {
    let after = address.cursor;
    let joined = false; // the first request does not wait for new entries
    let roomInfoAt = -Infinity;
    let viewers = 0;
    let settings = {};
    for (;;) {
      if (paused) await /** @type {Promise<void>} */ (new Promise((resolve) => { wake = resolve; }));
      const query = new URLSearchParams({ wait: String(joined ? WAIT_SECONDS : 0) });
      query.set('poller', POLLER);
      query.set('limit', String(after ? PAGE_ENTRIES : Math.max(1, address.history)));
      if (after) query.set('after', after);
      poll = new AbortController();
      const due = performance.now() - roomInfoAt > ROOM_INFO_EVERY_MS;
      if (due) roomInfoAt = performance.now();
      const [page, state] = await Promise.all([
        request(`${room}/entries?${query}`, { signal: poll.signal }).catch((error) => (poll.signal.aborted ? null : Promise.reject(error))),
        due ? request(room) : null,
      ]);
      if (state !== null) ({ viewers, settings } = state);
      if (page !== null) {
        const begun = after === BEGINNING && page.epoch !== '0'; // the room was not there before
        const rejoined = !joined || !page.recovered || begun;
        if (rejoined && state === null) ({ viewers, settings } = await request(room)); // they may have changed in entries that were missed
        if (rejoined) emit({ ...page, type: 'welcome', room: address.room, seq: page.last, settings, viewers, name });
        else if (page.last >= page.first) emit({ ...page, type: 'batch' });
        if (state !== null && !rejoined) emit({ type: 'viewers', count: viewers });
        after = `${page.epoch}:${page.last}`;
        joined = true;
      }
    }
  }

  /** @param {any} message */
  function emit(message) {
    if (!ended.signal.aborted) listener.message(message);
  }

  /** Before the first post: a post that is sent again, also over another transport, must be the same guest's. */
  async function becomeGuest() {
    const guest = await request(`${address.server}/api/session`, { method: 'POST', body: JSON.stringify(name ? { name } : {}) });
    token = guest.session;
    emit({ type: 'identity', ...guest });
  }

  /** @param {import('./wire.js').PostMessage} message */
  async function post({ type: _, ...fields }) {
    const body = JSON.stringify(name ? { ...fields, name } : fields);
    try {
      if (!token) await becomeGuest();
      const response = await request(`${room}/comments`, { method: 'POST', body, headers: { 'Content-Type': 'application/json' } });
      token = response.session ?? token; // it has the newest name
      emit({ type: 'ack', ...response });
    } catch (error) {
      if (error instanceof ErrorResponse && error.code === 'bad_token') token = '';
      if (error instanceof ErrorResponse && error.code) {
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
    send(message) {
      if (ended.signal.aborted) return false;
      // One at a time: keeps the order, and the first post creates the guest that makes the next ones.
      if (message.type === 'post') postQueue = postQueue.then(() => post(message));
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
