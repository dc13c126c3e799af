/**
 * What the room's video does, and when it is tried again after a failure: (state, event) → {state, actions}. Pure: no element,
 * timer or clock.
 *
 * A live stream fails for a moment whenever its source restarts, and a film whenever the network does. So every failure is
 * followed by another attempt, with back-off; only what the browser cannot play at all waits for the viewer. After a live stream
 * has ended, the page looks from time to time whether another one has begun at the same address.
 *
 * @typedef {'none' | 'waiting' | 'playing' | 'paused' | 'ended' | 'failed' | 'retrying'} MediaValue
 *   none: no video is set; waiting: for data; failed: until the next attempt; retrying: an attempt that has not played yet
 *
 * @typedef {object} MediaState
 * @property {MediaValue} value
 * @property {number} failures     in a row; forgotten once it has played for `HELD_MS`
 * @property {number} since        when it began to play after the last failure, in milliseconds; 0: it has not
 * @property {boolean} wanted      whether it is to play: false once the viewer has paused it
 * @property {boolean} unsupported whether the failure is final, unless the viewer tries again
 *
 * @typedef {object} MediaEvent
 *   load and clear (the room's settings), playing, pause, waiting, ended and loaded (the element), error, stuck (nothing has
 *   moved for `STUCK_MS`), unsupported, due (the wait is over), retry (by the viewer, or because another stream has begun)
 * @property {string} type
 * @property {boolean} [live] whether what ended was a live stream
 * @property {number} [at] milliseconds, of a monotonic clock
 *
 * @typedef {object} MediaAction
 *   open {attempt, play}, close, wait {least, most} (for a random time between, in milliseconds; then `due`), look (whether
 *   another stream has begun; then `retry` or `ended`)
 * @property {'open' | 'close' | 'wait' | 'look'} type
 * @property {number} [attempt]  from 0, since it last played well
 * @property {boolean} [play]
 * @property {number} [least]
 * @property {number} [most]
 *
 * @typedef {{state: MediaState, actions: MediaAction[]}} Step
 */

/** A stream is back after at most these two together: an attempt that hangs, and the longest wait. */
export const STUCK_MS = 12_000;
const LONGEST_WAIT_MS = 14_000;
const FIRST_WAIT_MS = 1_000;
const HELD_MS = 30_000;
const LOOK_MS = 10_000;

/** @type {MediaState} */
export const NO_MEDIA = Object.freeze({ value: 'none', failures: 0, since: 0, wanted: true, unsupported: false });

/** Whether there is a picture. @param {MediaValue} value */
export function hasPicture(value) {
  return value === 'waiting' || value === 'playing' || value === 'paused' || value === 'ended';
}

/** @param {MediaState} state @param {MediaEvent} event @returns {Step} */
export function step(state, { type, at = 0, live = false }) {
  const { value } = state;
  switch (type) {
    case 'load':
      return open({ ...NO_MEDIA, value: 'waiting' });
    case 'clear':
      return { state: NO_MEDIA, actions: [{ type: 'close' }] };
    case 'due':
      if (value === 'ended') return { state, actions: [{ type: 'look' }] };
      return value === 'failed' && !state.unsupported ? open({ ...state, value: 'retrying' }) : stay(state);
    case 'retry':
      return value === 'failed' || value === 'ended' ? open({ ...state, value: 'retrying', wanted: true, unsupported: false }) : stay(state);
  }
  if (value === 'none' || value === 'failed') return stay(state); // what the closed element still says
  switch (type) {
    case 'playing':
      return stay({ ...state, value: 'playing', since: state.since || at, wanted: true });
    case 'loaded':
      return stay(value === 'retrying' && !state.wanted ? { ...state, value: 'paused' } : state);
    case 'pause':
      return stay(value === 'ended' ? state : { ...state, value: 'paused', wanted: false });
    case 'waiting':
      return stay(value === 'playing' ? { ...state, value: 'waiting' } : state);
    case 'ended':
      return { state: { ...state, value: 'ended' }, actions: live ? [{ type: 'wait', least: LOOK_MS / 2, most: LOOK_MS }] : [] };
    case 'error':
    case 'stuck':
      return fail(state, at);
    case 'unsupported':
      return { state: { ...state, value: 'failed', unsupported: true }, actions: [{ type: 'close' }] };
  }
  return stay(state);
}

/** @param {MediaState} state @returns {Step} */
function stay(state) {
  return { state, actions: [] };
}

/** @param {MediaState} state @returns {Step} */
function open(state) {
  return { state: { ...state, since: 0 }, actions: [{ type: 'open', attempt: state.failures, play: state.wanted }] };
}

/** @param {MediaState} state @param {number} at @returns {Step} */
function fail(state, at) {
  const failures = (state.since > 0 && at - state.since >= HELD_MS ? 0 : state.failures) + 1;
  const most = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(failures - 1, 10));
  return { state: { ...state, value: 'failed', failures }, actions: [{ type: 'close' }, { type: 'wait', least: most / 2, most }] };
}
