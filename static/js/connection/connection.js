/**
 * One viewer's connection to one room. It reconnects by itself (reconnecting-transport.js), resumes from the cursor so that no
 * entry is missed or delivered twice, and keeps posts until the server has replied.
 *
 * Events, each a CustomEvent:
 *   state     {state, detail, message, reason, retryInMs}
 *             connecting: first | again; live: websocket | polling; offline: waiting | ended; reason: a rejection's code
 *   refused   {code, message, retryAfter, dropped} the handshake was; dropped: the kept name that was refused, and is not sent again
 *   welcome   the wire's welcome, after every (re)connect
 *   settings  {settings}                           the room's, when they may have changed; never older ones
 *   entries   {entries, source, thinned}           source: history (a first join), missed (a resume), live
 *   lost      {reason, restarted}                  entries are missing and will not follow; restarted: a new epoch
 *   viewers   {count}
 *   identity  {user, name, role}
 *   staff     the wire's, for a moderator
 *   signedout {code, message}                      the user's token has ended or was refused; the viewer is a guest
 *   posted    {ref, post}                        by this viewer; `accepted` or `rejected` follows
 *   accepted  {ref, seq, post}
 *   rejected  {ref, code, message, retryAfter, post}
 */

import { Cursor } from './cursor.js';
import { Outbox } from './outbox.js';
import { ReconnectingTransport } from './reconnecting-transport.js';
import { request } from './request.js';
import { Session } from './session.js';
import { UserToken } from './user-token.js';
import { newestSettings } from './wire.js';

/** @typedef {import('./wire.js').ServerMessage} ServerMessage */
/** @typedef {'connecting' | 'live' | 'offline'} State */

const LONGEST_RETRY_SECONDS = 600;
const REPORT_TIMEOUT_MS = 10_000;
const TOKEN_CODES = new Set(['bad_token', 'token_expired', 'wrong_room']);

export class Connection extends EventTarget {
  #room;
  #server;
  #history;
  #readOnly;
  #name;
  #openedName = '';
  #openedToken = '';
  #session;
  #userToken;
  #cursor = new Cursor();
  #outbox = new Outbox((message) => this.#transport.send(message));
  #transport = new ReconnectingTransport({
    address: () => this.#address(),
    message: (message) => this.#onMessage(message),
    changed: (change) => this.#onChanged(change),
    refused: (refusal) => this.#onRefused(refusal),
  });
  #offeredSession = '';
  #signingIn = false; // posts wait until the server knows whose they are
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #signInTimer;
  #paused = false;
  #online = () => this.#transport.handle('online');

  /**
   * @param {object} options
   * @param {string} options.room
   * @param {string} options.server        its address, such as https://example.org/danmaku
   * @param {string} [options.name]        '' lets the server choose
   * @param {number} [options.history]     recent entries at a first join
   * @param {boolean} [options.readOnly] never posts and has no identity (overlays)
   * @param {string} [options.token]       a user's, kept for this tab; '' for that which the tab has already
   */
  constructor({ room, server, name = '', history = 50, readOnly = false, token = '' }) {
    super();
    this.#room = room;
    this.#server = server;
    this.#name = name;
    this.#history = history;
    this.#readOnly = readOnly;
    this.#session = new Session(server);
    this.#userToken = new UserToken(server, room);
    if (token) this.#userToken.store(token);
  }

  /** @returns {State} */
  get state() {
    return this.#transport.state;
  }

  /** How many posts have no reply yet. */
  get unanswered() {
    return this.#outbox.size;
  }

  /** Connects, and reconnects until `stop`. */
  start() {
    globalThis.addEventListener('online', this.#online);
    this.#transport.handle('start');
  }

  /** Disconnects for good. */
  stop() {
    globalThis.removeEventListener('online', this.#online);
    this.#transport.handle('stop');
  }

  /** Connects now instead of after the wait; does nothing while it is connected. */
  retry() {
    this.#transport.handle('retry');
  }

  /** Call it when the page is hidden: the server stops delivering. */
  pause() {
    this.#paused = true;
    this.#transport.send({ type: 'pause' });
  }

  /** Call it when the page is visible: the server continues where it stopped. */
  resume() {
    this.#paused = false;
    this.#transport.send({ type: 'resume' });
    this.#transport.handle('visible');
  }

  /**
   * Posts a comment, now or after the next reconnect. An `accepted`, `held` or `rejected` event follows; after `held`
   * one of the others, if the connection lasts until a moderator has decided.
   * @param {import('./wire.js').Post} post
   * @returns {string | null} its ref; null when too many are pending
   */
  post(post) {
    if (this.#readOnly) throw new Error('this connection is read-only');
    const ref = this.#outbox.add(post);
    if (ref !== null) this.#emit('posted', { ref, post });
    this.#transport.handle('post');
    return ref;
  }

  /** Reports a comment to the moderators; throws an ErrorResponse, or another error when no response came. @param {number} seq */
  async report(seq) {
    const headers = new Headers(this.#token ? [['Authorization', `Bearer ${this.#token}`]] : []);
    const init = { method: 'POST', headers, body: JSON.stringify({ seq }) };
    await request(`${this.#server}/api/rooms/${this.#room}/reports`, init, { timeoutMs: REPORT_TIMEOUT_MS, signals: [] });
  }

  /** @param {string} name '' lets the server choose, at the next connection */
  rename(name) {
    this.#name = name;
    if (name && !this.#userToken.token) this.#transport.send({ type: 'rename', name });
  }

  /** Signs in with a user's token, now or at the next connection. @param {string} token */
  signIn(token) {
    this.#userToken.store(token);
    this.#sendToken();
  }

  /** The token of the user who is signed in; '' for a guest. */
  get userToken() {
    return this.#userToken.token;
  }

  /** The token to sign in with: a user's, or else the guest's session. */
  get #token() {
    return this.#userToken.token || this.#session.token;
  }

  /** The parameters of the next attempt to connect. @returns {import('./wire.js').Address} */
  #address() {
    this.#openedName = this.#name;
    this.#openedToken = this.#readOnly ? '' : this.#token;
    const place = { server: this.#server, room: this.#room, history: this.#history, cursor: String(this.#cursor) };
    const user = this.#readOnly ? null : this.#userToken.claims;
    return { ...place, name: this.#openedName, token: this.#openedToken, user };
  }

  /** @param {import('./reconnecting-transport.js').StateChange} change */
  #onChanged({ state, ended, message, reason, retryInMs }) {
    if (state !== 'live') {
      this.#outbox.close();
      clearTimeout(this.#signInTimer);
      this.#signingIn = false;
    }
    const details = { live: this.#transport.kind, offline: ended ? 'ended' : 'waiting', connecting: this.#cursor.epoch ? 'again' : 'first' };
    this.#emit('state', { state, detail: details[state], message, reason, retryInMs });
  }

  /** @param {import('./reconnecting-transport.js').Refusal} refusal */
  #onRefused(refusal) {
    if (refusal.dropped === 'name') this.#name = '';
    if (refusal.dropped === 'cursor') this.#cursor = new Cursor();
    this.#emit('refused', refusal);
  }

  /** @param {ServerMessage} message */
  #onMessage(message) {
    switch (message.type) {
      case 'welcome':
        return this.#onWelcome(message);
      case 'batch':
        return this.#onBatch(message);
      case 'skip':
        if (this.#cursor.advance(message) === null) return this.#transport.handle('hole');
        if (message.settings) this.#emit('settings', { settings: message.settings }); // they may have changed in the skipped entries
        return this.#emit('lost', { reason: message.why, restarted: false });
      case 'ack':
        if (message.session) this.#session.store(message.session);
        return this.#emit('accepted', { ref: message.ref, seq: message.seq, post: this.#outbox.accept(message.ref) });
      case 'private':
        return this.#emitEntries(message.entries, 'history');
      case 'held':
        if (message.session) this.#session.store(message.session);
        return this.#emit('held', { ref: message.ref, post: this.#outbox.accept(message.ref) });
      case 'reject':
        return this.#onReject(message);
      case 'identity':
        return this.#onIdentity(message);
      case 'staff':
        return this.#emit('staff', message);
      case 'viewers':
        return this.#emit('viewers', message);
    }
  }

  /** @param {import('./wire.js').Batch} batch */
  #onBatch(batch) {
    const entries = this.#cursor.advance(batch);
    if (entries === null) return this.#transport.handle('hole');
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
    const outdated = same && welcome.seq < seq; // a poll got its response after the server had written a probe's welcome
    this.#cursor.moveTo(welcome.epoch, outdated ? seq : welcome.seq);
    this.#offeredSession = welcome.session ?? '';
    if (this.#offeredSession && !this.#session.token && !this.#readOnly) this.#session.store(this.#offeredSession);
    this.#emit('welcome', welcome);
    if (!outdated) this.#emit('settings', { settings: welcome.settings });
    if (!first && !(same && welcome.recovered)) this.#emit('lost', { reason: welcome.reason ?? '', restarted: !same });
    if (entries.length) this.#emitEntries(entries, same ? 'missed' : 'history');
    this.#signIn(welcome);
    if (this.#name !== this.#openedName) this.rename(this.#name); // changed while it connected
    if (this.#paused) this.#transport.send({ type: 'pause' });
  }

  /** Sends the pending posts, once the server knows whose they are: as another user's they would be new. @param {import('./wire.js').Welcome} welcome */
  #signIn(welcome) {
    const token = this.#token;
    this.#signingIn = this.#transport.kind === 'websocket' && !this.#readOnly && token !== welcome.session;
    if (!this.#signingIn) this.#outbox.open();
    else if (token !== this.#openedToken) this.#transport.send({ type: 'auth', token }); // it is newer than this WebSocket
  }

  /** Sends the token while connected: posts wait for the reply. */
  #sendToken() {
    if (!this.#transport.send({ type: 'auth', token: this.#token, user: this.#userToken.claims })) return;
    this.#signingIn = this.#transport.kind === 'websocket';
    if (this.#signingIn) this.#outbox.close();
  }

  /** @param {import('./wire.js').Identity} identity */
  #onIdentity(identity) {
    const { session, reason = '' } = identity;
    if (session && !this.#readOnly && !(reason && this.#session.token)) this.#session.store(session); // it has the newest name
    this.#onSignedIn();
    this.#emit('identity', identity);
    if (reason) this.#onTokenEnded({ code: reason, message: '' });
  }

  /** Continues as the guest of this browser. @param {{code: string, message: string}} why */
  #onTokenEnded({ code, message }) {
    this.#userToken.store('');
    this.#emit('signedout', { code, message });
    if (this.#session.token !== this.#offeredSession) return this.#sendToken();
    this.#onSignedIn();
  }

  #onSignedIn() {
    if (!this.#signingIn) return;
    this.#signingIn = false;
    this.#outbox.open();
  }

  /** @param {import('./wire.js').Reject} reject */
  #onReject(reject) {
    const { ref, code, message, retry_after: retryAfter = null } = reject;
    const signingIn = this.#signingIn && !ref; // the first reply is that to the token
    const isRefused = !ref && (TOKEN_CODES.has(code) || (signingIn && retryAfter === null));
    if (isRefused && this.#userToken.token) return this.#onTokenEnded({ code, message });
    if (code === 'bad_token' || isRefused) {
      this.#session.discard();
      if (this.#offeredSession) this.#session.store(this.#offeredSession);
      this.#onSignedIn();
      if (!ref) return; // another server's session: the viewer is a new guest and need not know
    }
    if (signingIn && retryAfter !== null) {
      const signIn = () => this.#sendToken();
      this.#signInTimer = setTimeout(signIn, Math.min(retryAfter, LONGEST_RETRY_SECONDS) * 1000);
      return;
    }
    if (!this.#outbox.defer(reject)) this.#emit('rejected', { ref, code, message, retryAfter, post: this.#outbox.remove(ref) });
  }

  /** @param {string} type @param {object} detail */
  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
