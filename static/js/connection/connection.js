/**
 * One viewer's connection to one room. It keeps itself alive (jittered back-off, long polling where WebSocket cannot get
 * through), resumes by cursor so that nothing is missed or told twice, and keeps what was said until the server has it.
 * It knows nothing of the page: it tells events, and never touches the DOM.
 *
 * Events, each a CustomEvent:
 *   state     {state, detail, message, reason, retryInMs}
 *             connecting: first | again; live: websocket | polling; offline: waiting | ended; reason: a rejection's code
 *   welcome   the wire's welcome, after every (re)connect
 *   settings  {settings}                           the room's, whenever they may have changed; older ones are never told
 *   entries   {entries, source, thinned}           source: history (a first join), missed (a resume), live
 *   lost      {reason, restarted}                  entries are missing here for good; restarted: the numbering began anew
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
const FULL = 1013; // the close code of a server that holds as many viewers as it can

export class Connection extends EventTarget {
  #room;
  #origin;
  #history;
  #listenOnly;
  #name;
  #openedName = '';
  #session;
  #cursor = new Cursor();
  #outbox = new Outbox((message) => this.#transport?.send(message));
  #failures = new Backoff();
  #holes = new Backoff();
  /** @type {Transport | null} */
  #transport = null;
  /** @type {Transport | null} a WebSocket being tried while polling goes on */
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
   * @param {string} [options.origin]      the server, such as https://example.org
   * @param {string} [options.name]        '' lets the server choose
   * @param {number} [options.history]     recent entries at a first join
   * @param {boolean} [options.listenOnly] never says anything and has no identity (overlays)
   */
  constructor({ room, origin = location.origin, name = '', history = 50, listenOnly = false }) {
    super();
    this.#room = room;
    this.#origin = origin;
    this.#name = name;
    this.#history = history;
    this.#listenOnly = listenOnly;
    this.#session = new Session(origin);
  }

  /** @returns {State} */
  get state() {
    return this.#state;
  }

  /** Connects, and stays so until `stop`. */
  start() {
    globalThis.addEventListener('online', this.#retryNow);
    this.#setState('connecting', 'first');
    this.#open();
  }

  /** Ends it for good. */
  stop() {
    globalThis.removeEventListener('online', this.#retryNow);
    this.#dropTransports();
    this.#setState('offline', 'ended');
  }

  /** Tries at once instead of waiting; does nothing while a transport is at work. */
  retry() {
    if (this.#transport) return;
    this.#setState('connecting', 'again');
    this.#open();
  }

  /** The page is hidden: the server stops delivering. */
  pause() {
    this.#paused = true;
    if (this.#state === 'live') this.#transport?.send({ type: 'pause' });
  }

  /** The page is seen again: the server goes on from where it stopped. */
  resume() {
    this.#paused = false;
    if (this.#state === 'live') this.#transport?.send({ type: 'resume' });
    else if (this.#timer !== undefined) this.retry();
  }

  /**
   * Says something, now or when the connection is back. `accepted` or `rejected` tells what became of it.
   * @param {import('./wire.js').Post} post
   * @returns {string | null} its ref; null when too much waits already
   */
  post(post) {
    if (this.#listenOnly) throw new Error('this connection only listens');
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
    this.#transport = this.#openWith(polling ? openPolling : openWebSocket, (message) => this.#hear(message), (ending) => this.#end(ending));
  }

  /**
   * @param {typeof openWebSocket} open
   * @param {(message: ServerMessage) => void} message
   * @param {(ending: Ending) => void} ended
   */
  #openWith(open, message, ended) {
    this.#openedName = this.#name;
    const token = this.#listenOnly ? '' : this.#session.token;
    const address = { origin: this.#origin, room: this.#room, name: this.#name, history: this.#history, cursor: String(this.#cursor), token };
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
  #end({ code, message, reason = code === FULL ? 'full' : '', again, after = null }) {
    if (this.#transport?.kind === 'polling') this.#socketFailures = FAILURES_BEFORE_POLLING - 1; // WebSocket has the next turn
    else if (this.#state !== 'live') this.#socketFailures += 1;
    this.#dropTransports();
    if (!again) {
      this.#setState('offline', 'ended', { message, reason });
      return;
    }
    const wait = this.#failures.next();
    const retryInMs = after === null ? wait : after * 1000;
    const offline = reason === 'full' || this.#failures.tries > FAILURES_BEFORE_OFFLINE;
    const [state, detail] = offline ? /** @type {const} */ (['offline', 'waiting']) : /** @type {const} */ (['connecting', this.#cursor.epoch ? 'again' : 'first']);
    this.#setState(state, detail, { message, reason, retryInMs });
    this.#timer = setTimeout(() => this.#open(), retryInMs);
  }

  /** Something is missing before what came: ask for it from the cursor. */
  #refill() {
    this.#dropTransports();
    this.#setState('connecting', 'again');
    const firstTime = this.#holes.tries === 0;
    const wait = this.#holes.next();
    this.#timer = setTimeout(() => this.#open(), firstTime ? 0 : wait);
  }

  /** Polling works; look from time to time whether WebSocket does by now. */
  #probeLater() {
    this.#timer = setTimeout(() => {
      this.#probe = this.#openWith(
        openWebSocket,
        (message) => {
          if (this.#probe) this.#promoteProbe(); // its first word is the welcome
          this.#hear(message);
        },
        (ending) => {
          if (!this.#probe) return this.#end(ending);
          this.#probe = null;
          this.#probeLater();
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
  #hear(message) {
    switch (message.type) {
      case 'welcome':
        return this.#beWelcomed(message);
      case 'batch':
        return this.#take(message);
      case 'skip':
        if (this.#cursor.take(message) === null) return this.#refill();
        if (message.settings) this.#tell('settings', { settings: message.settings }); // a change may be in what is left out
        return this.#tell('lost', { reason: message.why, restarted: false });
      case 'ack':
        if (message.session) this.#session.keep(message.session);
        return this.#tell('accepted', { ref: message.ref, seq: message.seq, post: this.#outbox.accept(message.ref) });
      case 'reject':
        return this.#beRejected(message);
      case 'viewers':
      case 'identity':
        return this.#tell(message.type, message);
    }
  }

  /** @param {import('./wire.js').Batch} batch */
  #take(batch) {
    const entries = this.#cursor.take(batch);
    if (entries === null) return this.#refill();
    this.#holes.reset();
    if (entries.length || batch.thinned) this.#tellEntries(entries, 'live', batch.thinned);
  }

  /** @param {import('./wire.js').Entry[]} entries @param {'history' | 'missed' | 'live'} source @param {number} [thinned] */
  #tellEntries(entries, source, thinned = 0) {
    this.#tell('entries', { entries, source, thinned });
    const settings = newestSettings(entries);
    if (settings) this.#tell('settings', { settings });
  }

  /** @param {import('./wire.js').Welcome} welcome */
  #beWelcomed(welcome) {
    const { epoch, seq } = this.#cursor;
    const first = epoch === '';
    const same = epoch === welcome.epoch && welcome.reason !== 'ahead'; // the numbering this viewer knows
    const entries = same ? welcome.entries.filter((entry) => entry.seq > seq) : welcome.entries;
    const overtaken = same && welcome.seq < seq; // as a probe's may be, by what a poll brought meanwhile
    this.#cursor.moveTo(welcome.epoch, overtaken ? seq : welcome.seq);
    this.#failures.reset();
    this.#socketWorked ||= this.#transport?.kind === 'websocket';
    this.#offeredSession = welcome.session ?? '';
    if (this.#offeredSession && !this.#session.token && !this.#listenOnly) this.#session.keep(this.#offeredSession);
    const kind = this.#transport?.kind ?? 'websocket';
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (kind === 'polling') this.#probeLater();
    this.#setState('live', kind);
    this.#tell('welcome', welcome);
    if (!overtaken) this.#tell('settings', { settings: welcome.settings });
    if (!first && !(same && welcome.recovered)) this.#tell('lost', { reason: welcome.reason ?? '', restarted: !same });
    if (entries.length) this.#tellEntries(entries, same ? 'missed' : 'history');
    if (this.#name !== this.#openedName) this.#transport?.send({ type: 'rename', name: this.#name }); // chosen while it opened
    this.#outbox.open();
    if (this.#paused) this.#transport?.send({ type: 'pause' });
  }

  /** @param {import('./wire.js').Reject} reject */
  #beRejected(reject) {
    const { ref, code, message, retry_after: retryAfter = null } = reject;
    if (code === 'bad_token') {
      this.#session.discard();
      if (this.#offeredSession) this.#session.keep(this.#offeredSession);
      if (!ref) return; // a session of elsewhere: the viewer is a new guest, and that is all
    }
    if (!this.#outbox.defer(reject)) this.#tell('rejected', { ref, code, message, retryAfter, post: this.#outbox.settle(ref) });
  }

  /** @param {State} state @param {string} detail @param {{message?: string, reason?: string, retryInMs?: number}} [more] */
  #setState(state, detail, { message = '', reason = '', retryInMs = 0 } = {}) {
    this.#state = state;
    if (state !== 'live') this.#outbox.close();
    this.#tell('state', { state, detail, message, reason, retryInMs });
  }

  /** @param {string} type @param {object} detail */
  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
