/**
 * When a client connects, waits, asks and gives up: (state, event, limits) → {state, actions}. Pure: no clock, timer or network.
 * `chat/client/connection_state.py` is the same table in Python; tests/support/connection_states.json is walked in both.
 *
 * @typedef {'idle' | 'connecting' | 'asking' | 'live' | 'waiting' | 'ended'} Phase asking: why a handshake was refused
 *
 * @typedef {object} ConnectionState
 * @property {Phase} phase
 * @property {'websocket' | 'polling'} transport
 * @property {boolean} polls        whether this client can fall back to polling
 * @property {string[]} droppable   kept values that it can do without: name, cursor
 * @property {number} failures      in a row; forgotten once a connection has held for `held_ms`
 * @property {number} blocked       WebSockets that failed in a row without a reason
 * @property {boolean} worked       whether a WebSocket has ever been welcomed
 * @property {number} since         when the welcome came, in milliseconds
 * @property {boolean} held         the server chose how long to wait
 * @property {boolean} eager        the viewer asked for this attempt
 * @property {string} reason        the code of the refusal that it waits or ended for
 *
 * @typedef {object} ConnectionEvent
 *   start, stop, retry (by the viewer), online, visible, post, due (the wait is over), welcome {transport, at},
 *   closed {code, at, bye}, hole {at} (entries are missing), refused {status, code, retry_after, at}, unexplained
 * @property {string} type
 * @property {number} [at]                                milliseconds, of a monotonic clock
 * @property {'websocket' | 'polling'} [transport]
 * @property {number} [status]                            an HTTP status
 * @property {number | string} [code]                     a close code, or the code of a rejection
 * @property {{reconnect_after?: number | null} | null} [bye]
 * @property {number | null} [retry_after]                seconds
 *
 * @typedef {object} Action
 *   open {transport}, close, check (ping, and end it if nothing follows), ask (GET the WebSocket's address: why was it refused?),
 *   wait {least, most} (for a random time between, in milliseconds; then `due`), drop {value} (a kept value that was refused)
 * @property {string} type
 * @property {'websocket' | 'polling'} [transport]
 * @property {number} [least]
 * @property {number} [most]
 * @property {string} [value]
 *
 * @typedef {{state: ConnectionState, actions: Action[]}} Step
 */

export const LIMITS = Object.freeze({ first_ms: 1_000, longest_ms: 20_000, held_ms: 10_000 });

const BLOCKED_BEFORE_POLLING = 2;
const FAILURES_BEFORE_OFFLINE = 3;
const LONGEST_FLOOR_MS = 5_000; // between attempts, however short the server says they may be
const LONGEST_HELD_MS = 600_000; // however long it says
const RETRY_JITTER = 1.5; // the server tells everybody the same `retry_after`, but each viewer another `reconnect_after`
/** @type {Record<string, string>} the reason that a close code means */
const CLOSE_REASONS = { 1013: 'full', 4011: 'too_many', 4503: 'banned' };
const UPGRADE_REQUIRED = 426; // the server would have upgraded: something in between prevents it
const TEMPORARY = new Set([408, 425, 429]);
/** @type {Record<string, string>} the kept value that a code refuses */
const REFUSED_VALUES = { name_empty: 'name', name_too_long: 'name', name_taken: 'name', bad_cursor: 'cursor' };

/** @param {Partial<ConnectionState>} [options] @returns {ConnectionState} */
export function initialState({ polls = true, droppable = ['name', 'cursor'] } = {}) {
  const counts = { failures: 0, blocked: 0, since: 0 };
  return { phase: 'idle', transport: 'websocket', polls, droppable, ...counts, worked: false, held: false, eager: false, reason: '' };
}

/**
 * What a page shows of a state.
 * @param {ConnectionState} state
 * @returns {'connecting' | 'live' | 'offline'}
 */
export function visibleState({ phase, failures, eager, reason }) {
  if (phase === 'live') return 'live';
  if (phase === 'ended') return 'offline';
  return (reason || failures > FAILURES_BEFORE_OFFLINE) && !eager ? 'offline' : 'connecting';
}

/** @param {ConnectionState} state @param {ConnectionEvent} event @param {typeof LIMITS} [limits] @returns {Step} */
export function step(state, event, limits = LIMITS) {
  const { phase } = state;
  const underWay = phase === 'connecting' || phase === 'asking';
  switch (event.type) {
    case 'stop':
      return { state: { ...state, phase: 'ended', reason: '' }, actions: [{ type: 'close' }] };
    case 'start':
    case 'retry':
      return underWay || phase === 'live' ? stay(state) : connect({ ...state, eager: true });
    case 'online':
    case 'visible':
      if (phase === 'waiting' && !state.held) return connect({ ...state, eager: true });
      return phase === 'live' ? stay(state, { type: 'check' }) : stay(state);
    case 'post': // over polling each post is a request of its own, which must get a response
      return phase === 'live' && state.transport === 'websocket' ? stay(state, { type: 'check' }) : stay(state);
    case 'due':
      return phase === 'waiting' ? connect(state) : stay(state);
    case 'welcome':
      return phase === 'connecting' || phase === 'live' ? welcome(state, event) : stay(state);
    case 'closed':
      return phase === 'connecting' || phase === 'live' ? closed(earnBack(state, event, limits), event, limits) : stay(state);
    case 'hole':
      return phase === 'live' ? fillHole(earnBack(state, event, limits), limits) : stay(state);
    case 'refused':
      return underWay || phase === 'live' ? refused(earnBack(state, event, limits), event, limits) : stay(state);
    case 'unexplained':
      return underWay ? wait({ ...state, blocked: state.blocked + 1, reason: '' }, limits) : stay(state);
  }
  return stay(state);
}

/** @param {ConnectionState} state @param {Action[]} actions @returns {Step} */
function stay(state, ...actions) {
  return { state, actions };
}

/** @param {ConnectionState} state @returns {Step} */
function connect(state) {
  const transport = state.polls && !state.worked && state.blocked >= BLOCKED_BEFORE_POLLING ? 'polling' : 'websocket';
  return { state: { ...state, phase: 'connecting', transport, held: false }, actions: [{ type: 'open', transport }] };
}

/** @param {ConnectionState} state @param {ConnectionEvent} event @returns {Step} */
function welcome(state, { transport = state.transport, at = 0 }) {
  const worked = state.worked || transport === 'websocket';
  return stay({ ...state, phase: 'live', transport, worked, blocked: 0, since: at, eager: false, reason: '' });
}

/** Forgets the failures before a connection that held. @param {ConnectionState} state @param {ConnectionEvent} event @param {typeof LIMITS} limits */
function earnBack(state, { at = 0 }, { held_ms: heldMs }) {
  return state.phase === 'live' && at - state.since >= heldMs ? { ...state, failures: 0 } : state;
}

/** @param {ConnectionState} state @param {ConnectionEvent} event @param {typeof LIMITS} limits @returns {Step} */
function closed(state, { code, bye = null }, limits) {
  const reason = CLOSE_REASONS[String(code)] ?? '';
  const final = typeof code === 'number' && code >= 4500 && code <= 4999;
  if (final || bye?.reconnect_after === null) return end(state, reason);
  if (state.phase === 'connecting' && state.transport === 'websocket' && bye === null && !reason) {
    return { state: { ...state, phase: 'asking' }, actions: [{ type: 'close' }, { type: 'ask' }] };
  }
  const blocked = state.transport === 'polling' ? BLOCKED_BEFORE_POLLING - 1 : state.blocked; // try WebSocket next
  return wait({ ...state, blocked, reason }, limits, seconds(bye?.reconnect_after), 1);
}

/** @param {ConnectionState} state @param {typeof LIMITS} limits @returns {Step} */
function fillHole(state, limits) {
  if (state.failures > 0) return wait(state, limits);
  const { state: connecting, actions } = connect({ ...state, failures: 1, eager: true });
  return { state: connecting, actions: [{ type: 'close' }, ...actions] };
}

/** @param {ConnectionState} state @param {ConnectionEvent} event @param {typeof LIMITS} limits @returns {Step} */
function refused(state, { status = 0, code = '', retry_after: retryAfter }, limits) {
  const blocked = state.transport === 'polling' ? BLOCKED_BEFORE_POLLING - 1 : state.blocked;
  const reason = String(code);
  const value = REFUSED_VALUES[reason];
  if (value && state.droppable.includes(value)) {
    const { state: connecting, actions } = connect({ ...state, droppable: state.droppable.filter((other) => other !== value) });
    return { state: connecting, actions: [{ type: 'close' }, { type: 'drop', value }, ...actions] };
  }
  if (status === UPGRADE_REQUIRED && state.polls) return wait({ ...state, blocked: state.blocked + 1, reason: '' }, limits);
  const after = seconds(retryAfter);
  const temporary = after !== null || status >= 500 || TEMPORARY.has(status);
  return temporary ? wait({ ...state, blocked, reason }, limits, after, RETRY_JITTER) : end(state, reason);
}

/** @param {ConnectionState} state @param {string} reason @returns {Step} */
function end(state, reason) {
  return { state: { ...state, phase: 'ended', reason }, actions: [{ type: 'close' }] };
}

/**
 * Waits before the next attempt: for as long as the server said, else with exponential back-off and jitter.
 * @param {ConnectionState} state
 * @param {typeof LIMITS} limits
 * @param {number | null} [after] seconds
 * @param {number} [jitter]
 * @returns {Step}
 */
function wait(state, { first_ms: firstMs, longest_ms: longestMs }, after = null, jitter = 1) {
  const bound = Math.min(longestMs, firstMs * 2 ** Math.min(state.failures, 16));
  let least = bound / 2;
  let most = bound;
  if (after !== null) {
    const floor = state.failures > 0 ? Math.min(LONGEST_FLOOR_MS, bound / 2) : 0;
    least = Math.max(floor, Math.min(LONGEST_HELD_MS, after * 1000));
    most = least * jitter;
  }
  const waiting = /** @type {const} */ ({ phase: 'waiting', failures: state.failures + 1, held: after !== null, eager: false });
  return { state: { ...state, ...waiting }, actions: [{ type: 'close' }, { type: 'wait', least, most }] };
}

/** A time that the server sent, or null. @param {unknown} value */
function seconds(value) {
  return typeof value === 'number' && value >= 0 ? value : null;
}
