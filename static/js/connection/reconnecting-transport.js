/**
 * A transport that comes back: it carries out what connection-state.js decides. It opens the WebSocket or the polling transport,
 * asks why a handshake was refused, waits, and tries from time to time whether WebSocket works while it polls.
 */

import { initialState, step, visibleState } from './connection-state.js';
import { openPolling } from './polling-transport.js';
import { askWhyRefused, openWebSocket } from './websocket-transport.js';

/** @typedef {import('./wire.js').Address} Address */
/** @typedef {import('./wire.js').ServerMessage} ServerMessage */
/** @typedef {import('./wire.js').Transport} Transport */
/** @typedef {import('./connection-state.js').Action} Action */
/** @typedef {import('./connection-state.js').ConnectionEvent} ConnectionEvent */

const PROBE_EVERY_MS = 60_000;

/**
 * @typedef {object} StateChange
 * @property {'connecting' | 'live' | 'offline'} state
 * @property {boolean} ended    for good, unless the viewer retries
 * @property {string} message   the server's sentence, or ''
 * @property {string} reason    a code of the server, or ''
 * @property {number} retryInMs
 *
 * @typedef {object} Refusal of a handshake, or of a request while polling
 * @property {string} code
 * @property {string} message
 * @property {number | null} retryAfter  seconds
 * @property {string} dropped            the kept value that was refused, and is not sent again: name, cursor or ''
 *
 * @typedef {object} Owner
 * @property {() => Address} address     asked before each attempt
 * @property {(message: ServerMessage) => void} message
 * @property {(change: StateChange) => void} changed
 * @property {(refusal: Refusal) => void} refused
 */

export class ReconnectingTransport {
  #owner;
  #state = initialState();
  #message = '';
  /** @type {Transport | null} */
  #transport = null;
  /** @type {Transport | null} a WebSocket that is tried while polling */
  #probe = null;
  #asked = new AbortController();
  /** @type {ReturnType<typeof setTimeout> | undefined} of the wait, or of the next probe */
  #timer;

  /** @param {Owner} owner */
  constructor(owner) {
    this.#owner = owner;
  }

  get state() {
    return visibleState(this.#state);
  }

  get kind() {
    return this.#state.transport;
  }

  /** @param {import('./wire.js').ViewerMessage} message @returns {boolean} whether it was sent */
  send(message) {
    return this.#state.phase === 'live' && this.#transport !== null && this.#transport.send(message);
  }

  /** Takes an event of the viewer, the page or the wire; see connection-state.js. @param {ConnectionEvent['type']} type */
  handle(type) {
    this.#dispatch({ type });
  }

  /** @param {ConnectionEvent} event @param {string} [message] the server's sentence about it */
  #dispatch(event, message = '') {
    const before = this.#state;
    const { state, actions } = step(before, { at: performance.now(), ...event });
    this.#state = state;
    if (message || event.type === 'welcome') this.#message = message;
    let retryInMs = 0;
    let dropped = '';
    for (const action of actions) {
      if (action.type === 'wait') retryInMs = this.#wait(action);
      if (action.type === 'drop') dropped = action.value ?? '';
    }
    if (event.type === 'refused' && (state.reason || dropped)) {
      this.#owner.refused({ code: String(event.code), message, retryAfter: event.retry_after ?? null, dropped });
    }
    for (const action of actions) this.#perform(action);
    if (state.phase === 'waiting') this.#timer = setTimeout(() => this.#dispatch({ type: 'due' }), retryInMs);
    if (state.phase !== before.phase || state.transport !== before.transport) this.#tell(retryInMs);
  }

  /** @param {number} retryInMs */
  #tell(retryInMs) {
    const { phase, reason } = this.#state;
    this.#owner.changed({ state: this.state, ended: phase === 'ended', message: phase === 'live' ? '' : this.#message, reason, retryInMs });
  }

  /** @param {Action} action */
  #wait({ least = 0, most = 0 }) {
    return least + Math.random() * (most - least);
  }

  /** @param {Action} action */
  #perform({ type, transport }) {
    if (type === 'open') this.#open(transport === 'polling' ? openPolling : openWebSocket);
    if (type === 'close') this.#close();
    if (type === 'check') this.#transport?.check();
    if (type === 'ask') this.#ask();
  }

  /** @param {typeof openWebSocket} open */
  #open(open) {
    this.#close();
    this.#transport = open(this.#owner.address(), {
      message: (message) => this.#onMessage(message),
      ended: (event, message) => this.#dispatch(event, message),
    });
  }

  #close() {
    clearTimeout(this.#timer);
    this.#asked.abort();
    this.#probe?.close();
    this.#transport?.close();
    this.#probe = this.#transport = null;
  }

  async #ask() {
    this.#asked = new AbortController();
    const { signal } = this.#asked;
    const response = await askWhyRefused(this.#owner.address(), signal);
    if (signal.aborted) return;
    if (!response) return this.#dispatch({ type: 'unexplained' });
    const { status, code, message, retryAfter } = response;
    this.#dispatch({ type: 'refused', status, code, retry_after: retryAfter }, message);
  }

  /** @param {ServerMessage} message */
  #onMessage(message) {
    if (message.type === 'welcome') {
      this.#dispatch({ type: 'welcome', transport: this.#transport?.kind });
      if (this.kind === 'polling') this.#scheduleProbe();
    }
    this.#owner.message(message);
  }

  #scheduleProbe() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#probe = openWebSocket(this.#owner.address(), {
        message: (message) => {
          if (this.#probe) this.#promoteProbe(); // the first message is the welcome
          this.#onMessage(message);
        },
        ended: (event, message) => {
          if (!this.#probe) return this.#dispatch(event, message);
          this.#probe = null;
          this.#scheduleProbe();
        },
      });
    }, PROBE_EVERY_MS);
  }

  #promoteProbe() {
    this.#transport?.close();
    this.#transport = this.#probe;
    this.#probe = null;
  }
}
