/**
 * Carries the wire over plain HTTP, for viewers whose network lets no WebSocket through: a long poll for what is new, a POST
 * for what is said. It tells the same messages as the WebSocket does, so nothing above it knows the difference. It never
 * tries again by itself: what fails ends it.
 */

/** @typedef {import('./wire.js').Transport} Transport */
/** @typedef {import('./wire.js').Reject} Reject */

const WAIT_SECONDS = 25;
const ANSWER_MS = (WAIT_SECONDS + 10) * 1000;
const PAGE_ENTRIES = 300;
const COUNT_EVERY_MS = 15_000;

/** An answer that says no. */
class Refused extends Error {
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
  const room = new URL(`/api/rooms/${address.room}`, address.origin).href;
  const ended = new AbortController();
  let turn = new AbortController(); // the running poll; a pause ends it
  let paused = false;
  let wake = () => {};
  let { name, token } = address;

  /** @param {string} url @param {RequestInit} [init] */
  async function ask(url, init = {}) {
    const signal = AbortSignal.any([ended.signal, AbortSignal.timeout(ANSWER_MS), ...(init.signal ? [init.signal] : [])]);
    const headers = { ...init.headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
    const response = await fetch(url, { ...init, headers, signal, cache: 'no-store' });
    const body = await response.json().catch(() => ({}));
    if (!response.ok) throw new Refused(response.status, body.error ?? {});
    return body;
  }

  /** @param {unknown} error */
  function end(error) {
    if (ended.signal.aborted) return;
    ended.abort();
    const refused = error instanceof Refused ? error : null;
    const again = refused === null || refused.status >= 500 || [408, 425, 429].includes(refused.status);
    const message = refused?.message ?? '';
    listener.ended({ code: refused?.status ?? 0, message, reason: refused?.code, again, after: refused?.retryAfter ?? null });
  }

  async function follow() {
    let after = address.cursor;
    let polite = false; // the first question is answered at once
    let countedAt = -Infinity;
    let viewers = 0;
    let settings = {};
    for (;;) {
      if (paused) await /** @type {Promise<void>} */ (new Promise((resolve) => { wake = resolve; }));
      const query = new URLSearchParams({ wait: String(polite ? WAIT_SECONDS : 0) });
      query.set('limit', String(after ? PAGE_ENTRIES : Math.max(1, address.history)));
      if (after) query.set('after', after);
      turn = new AbortController();
      const due = performance.now() - countedAt > COUNT_EVERY_MS;
      if (due) countedAt = performance.now();
      const [page, state] = await Promise.all([
        ask(`${room}/entries?${query}`, { signal: turn.signal }).catch((error) => (turn.signal.aborted ? null : Promise.reject(error))),
        due ? ask(room) : null,
      ]);
      if (state !== null) ({ viewers, settings } = state);
      if (page !== null) {
        const fresh = !polite || !page.recovered;
        if (fresh && state === null) ({ viewers, settings } = await ask(room)); // a change may be among what was missed
        if (fresh) tell({ ...page, type: 'welcome', room: address.room, seq: page.last, settings, viewers, name });
        else if (page.last >= page.first) tell({ ...page, type: 'batch' });
        if (state !== null && !fresh) tell({ type: 'viewers', count: viewers });
        after = `${page.epoch}:${page.last}`;
        polite = true;
      }
    }
  }

  /** @param {any} message */
  function tell(message) {
    if (!ended.signal.aborted) listener.message(message);
  }

  /** @param {import('./wire.js').PostMessage} message */
  async function post({ type: _, ...said }) {
    const body = JSON.stringify(name ? { ...said, name } : said);
    try {
      const answer = await ask(`${room}/comments`, { method: 'POST', body, headers: { 'Content-Type': 'application/json' } });
      token = answer.session ?? token; // who posts without one is told whom it was
      tell({ type: 'ack', ...answer });
    } catch (error) {
      if (error instanceof Refused && error.code === 'bad_token') token = '';
      if (error instanceof Refused && error.code) {
        tell({ type: 'reject', ref: said.ref, code: error.code, message: error.message, retry_after: error.retryAfter });
      } else {
        end(error); // not known kept: it goes out again with its ref
      }
    }
  }

  let posted = Promise.resolve();
  follow().catch(end);

  return {
    kind: 'polling',
    send(message) {
      if (ended.signal.aborted) return false;
      // One after the other: in order, and all but the first by the guest that the first was answered to be.
      if (message.type === 'post') posted = posted.then(() => post(message));
      if (message.type === 'rename') {
        name = message.name;
        tell({ type: 'identity', user: '', name, role: 'viewer' });
      }
      if (message.type === 'pause') {
        paused = true;
        turn.abort();
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
