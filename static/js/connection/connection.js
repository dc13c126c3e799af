/**
 * One viewer's connection to one room. It reconnects by itself (with backoff, and by long polling where WebSocket is blocked),
 * resumes from the cursor so that no entry is missed or delivered twice, and keeps posts until the server has answered them.
 * It dispatches events and never touches the DOM.
 *
 * Events, each a CustomEvent:
 *   state     {state, detail, message, reason, retryInMs}
 *             connecting: first | again; live: websocket | polling; offline: waiting | ended; reason: a rejection's code
 *   welcome   the wire's welcome, after every (re)connect
 *   settings  {settings}                           the room's, when they may have changed; never older ones
 *   entries   {entries, source, thinned}           source: history (a first join), missed (a resume), live
 *   lost      {reason, restarted}                  entries are missing and will not follow; restarted: a new epoch
 *   viewers   {count}
 *   identity  {user, name, role}
 *   accepted  {ref, seq, post}
 *   rejected  {ref, code, message, retryAfter, post}
 */

import { Backoff } from './backoff.js';
import { Cursor } from './cursor.js';
import { Outbox } from './outbox.js';
import { openPolling } from './polling-transport.js';
import { Session } from './session.js';
import { openWebSocket } from './websocket-transport.js';
import { newestSettings } from './wire.js';

/** @typedef {import('./wire.js').ServerMessage} ServerMessage */
/** @typedef {import('./wire.js').Transport} Transport */
/** @typedef {import('./wire.js').Ending} Ending */
/** @typedef {'connecting' | 'live' | 'offline'} State */

const FAILURES_BEFORE_POLLING = 2;
const FAILURES_BEFORE_OFFLINE = 3;
const PROBE_EVERY_MS = 60_000;
const TRY_AGAIN_LATER = 1013; // the close code of a server that is full

export class Connection extends EventTarget {
  #room;
  #server;
  #history;
  #readOnly;
  #name;
  #openedName = '';
  #openedToken = '';
  #session;
  #cursor = new Cursor();
  #outbox = new Outbox((message) => this.#transport?.send(message));
  #backoff = new Backoff();
  #gapBackoff = new Backoff();
  /** @type {Transport | null} */
  #transport = null;
  /** @type {Transport | null} a WebSocket that is tried while polling */
  #probe = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #socketFailures = 0;
  #socketWorked = false;
  #offeredSession = '';
  #paused = false;
  /** @type {State} */
  #state = 'offline';
  #retryNow = () => this.retry();

  /**
   * @param {object} options
   * @param {string} options.room
   * @param {string} options.server        its address, such as https://example.org/danmaku
   * @param {string} [options.name]        '' lets the server choose
   * @param {number} [options.history]     recent entries at a first join
   * @param {boolean} [options.readOnly] never posts and has no identity (overlays)
   */
  constructor({ room, server, name = '', history = 50, readOnly = false }) {
    super();
    this.#room = room;
    this.#server = server;
    this.#name = name;
    this.#history = history;
    this.#readOnly = readOnly;
    this.#session = new Session(server);
  }

  /** @returns {State} */
  get state() {
    return this.#state;
  }

  /** Connects, and reconnects until `stop`. */
  start() {
    globalThis.addEventListener('online', this.#retryNow);
    this.#setState('connecting', 'first');
    this.#open();
  }

  /** Disconnects for good. */
  stop() {
    globalThis.removeEventListener('online', this.#retryNow);
    this.#dropTransports();
    this.#setState('offline', 'ended');
  }

  /** Connects now instead of after the wait; does nothing while a transport is open. */
  retry() {
    if (this.#transport) return;
    this.#setState('connecting', 'again');
    this.#open();
  }

  /** Call it when the page is hidden: the server stops delivering. */
  pause() {
    this.#paused = true;
    if (this.#state === 'live') this.#transport?.send({ type: 'pause' });
  }

  /** Call it when the page is visible: the server continues where it stopped. */
  resume() {
    this.#paused = false;
    if (this.#state === 'live') this.#transport?.send({ type: 'resume' });
    else if (this.#timer !== undefined) this.retry();
  }

  /**
   * Posts a comment, now or after the next reconnect. An `accepted` or `rejected` event follows.
   * @param {import('./wire.js').Post} post
   * @returns {string | null} its ref; null when too many are pending
   */
  post(post) {
    if (this.#readOnly) throw new Error('this connection is read-only');
    return this.#outbox.add(post);
  }

  /** @param {string} name */
  rename(name) {
    this.#name = name;
    if (this.#state === 'live') this.#transport?.send({ type: 'rename', name });
  }

  #open() {
    this.#dropTransports();
    const polling = !this.#socketWorked && this.#socketFailures >= FAILURES_BEFORE_POLLING;
    this.#transport = this.#openWith(polling ? openPolling : openWebSocket, (message) => this.#onMessage(message), (ending) => this.#onEnded(ending));
  }

  /**
   * @param {typeof openWebSocket} open
   * @param {(message: ServerMessage) => void} message
   * @param {(ending: Ending) => void} ended
   */
  #openWith(open, message, ended) {
    this.#openedName = this.#name;
    const token = (this.#openedToken = this.#readOnly ? '' : this.#session.token);
    const address = { server: this.#server, room: this.#room, name: this.#name, history: this.#history, cursor: String(this.#cursor), token };
    return open(address, { message, ended });
  }

  #dropTransports() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#probe?.close();
    this.#transport?.close();
    this.#probe = this.#transport = null;
  }

  /** @param {Ending} ending */
  #onEnded({ code, message, reason = code === TRY_AGAIN_LATER ? 'full' : '', again, after = null }) {
    if (this.#transport?.kind === 'polling') this.#socketFailures = FAILURES_BEFORE_POLLING - 1; // try WebSocket next
    else if (this.#state !== 'live') this.#socketFailures += 1;
    this.#dropTransports();
    if (!again) {
      this.#setState('offline', 'ended', { message, reason });
      return;
    }
    const wait = this.#backoff.next();
    const retryInMs = after === null ? wait : after * 1000;
    const offline = reason === 'full' || this.#backoff.failures > FAILURES_BEFORE_OFFLINE;
    const [state, detail] = offline ? /** @type {const} */ (['offline', 'waiting']) : /** @type {const} */ (['connecting', this.#cursor.epoch ? 'again' : 'first']);
    this.#setState(state, detail, { message, reason, retryInMs });
    this.#timer = setTimeout(() => this.#open(), retryInMs);
  }

  /** Reconnects after a gap, to get the missing entries from the cursor on. */
  #fillGap() {
    this.#dropTransports();
    this.#setState('connecting', 'again');
    const firstTime = this.#gapBackoff.failures === 0;
    const wait = this.#gapBackoff.next();
    this.#timer = setTimeout(() => this.#open(), firstTime ? 0 : wait);
  }

  /** While polling, tries from time to time whether WebSocket works. */
  #scheduleProbe() {
    this.#timer = setTimeout(() => {
      this.#probe = this.#openWith(
        openWebSocket,
        (message) => {
          if (this.#probe) this.#promoteProbe(); // the first message is the welcome
          this.#onMessage(message);
        },
        (ending) => {
          if (!this.#probe) return this.#onEnded(ending);
          this.#probe = null;
          this.#scheduleProbe();
        },
      );
    }, PROBE_EVERY_MS);
  }

  #promoteProbe() {
    this.#transport?.close();
    this.#transport = this.#probe;
    this.#probe = null;
  }

  /** @param {ServerMessage} message */
  #onMessage(message) {
    switch (message.type) {
      case 'welcome':
        return this.#onWelcome(message);
      case 'batch':
        return this.#onBatch(message);
      case 'skip':
        if (this.#cursor.advance(message) === null) return this.#fillGap();
        if (message.settings) this.#emit('settings', { settings: message.settings }); // they may have changed in the skipped entries
        return this.#emit('lost', { reason: message.why, restarted: false });
      case 'ack':
        if (message.session) this.#session.store(message.session);
        return this.#emit('accepted', { ref: message.ref, seq: message.seq, post: this.#outbox.accept(message.ref) });
      case 'reject':
        return this.#onReject(message);
      case 'identity':
        if (message.session && !this.#readOnly) this.#session.store(message.session); // it has the newest name
        return this.#emit('identity', message);
      case 'viewers':
        return this.#emit(message.type, message);
    }
  }

  /** @param {import('./wire.js').Batch} batch */
  #onBatch(batch) {
    const entries = this.#cursor.advance(batch);
    if (entries === null) return this.#fillGap();
    this.#gapBackoff.reset();
    if (entries.length || batch.thinned) this.#emitEntries(entries, 'live', batch.thinned);
  }

  /** @param {import('./wire.js').Entry[]} entries @param {'history' | 'missed' | 'live'} source @param {number} [thinned] */
  #emitEntries(entries, source, thinned = 0) {
    this.#emit('entries', { entries, source, thinned });
    const settings = newestSettings(entries);
    if (settings) this.#emit('settings', { settings });
  }

  /** @param {import('./wire.js').Welcome} welcome */
  #onWelcome(welcome) {
    const { epoch, seq } = this.#cursor;
    const first = epoch === '' || epoch === '0'; // 0: the room had not begun
    const same = epoch === welcome.epoch && welcome.reason !== 'ahead'; // the numbering of this cursor
    const entries = same ? welcome.entries.filter((entry) => entry.seq > seq) : welcome.entries;
    const outdated = same && welcome.seq < seq; // a poll was answered after the server had written a probe's welcome
    this.#cursor.moveTo(welcome.epoch, outdated ? seq : welcome.seq);
    this.#backoff.reset();
    this.#socketWorked ||= this.#transport?.kind === 'websocket';
    this.#offeredSession = welcome.session ?? '';
    if (this.#offeredSession && !this.#session.token && !this.#readOnly) this.#session.store(this.#offeredSession);
    const kind = this.#transport?.kind ?? 'websocket';
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (kind === 'polling') this.#scheduleProbe();
    this.#setState('live', kind);
    this.#emit('welcome', welcome);
    if (!outdated) this.#emit('settings', { settings: welcome.settings });
    if (!first && !(same && welcome.recovered)) this.#emit('lost', { reason: welcome.reason ?? '', restarted: !same });
    if (entries.length) this.#emitEntries(entries, same ? 'missed' : 'history');
    if (this.#name !== this.#openedName) this.#transport?.send({ type: 'rename', name: this.#name }); // changed while it connected
    const { token } = this.#session;
    if (kind === 'websocket' && !this.#readOnly && token !== this.#openedToken && token !== welcome.session) {
      this.#transport?.send({ type: 'auth', token }); // of a guest that polling created while this WebSocket was opened
    }
    this.#outbox.open();
    if (this.#paused) this.#transport?.send({ type: 'pause' });
  }

  /** @param {import('./wire.js').Reject} reject */
  #onReject(reject) {
    const { ref, code, message, retry_after: retryAfter = null } = reject;
    if (code === 'bad_token') {
      this.#session.discard();
      if (this.#offeredSession) this.#session.store(this.#offeredSession);
      if (!ref) return; // another server's session: the viewer is a new guest and need not know
    }
    if (!this.#outbox.defer(reject)) this.#emit('rejected', { ref, code, message, retryAfter, post: this.#outbox.remove(ref) });
  }

  /** @param {State} state @param {string} detail @param {{message?: string, reason?: string, retryInMs?: number}} [more] */
  #setState(state, detail, { message = '', reason = '', retryInMs = 0 } = {}) {
    this.#state = state;
    if (state !== 'live') this.#outbox.close();
    this.#emit('state', { state, detail, message, reason, retryInMs });
  }

  /** @param {string} type @param {object} detail */
  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
