/**
 * Follow a room and post in it, with Node 22 or newer: node examples/client.mjs ws://127.0.0.1:8888/ws/demo
 *
 * Prints the comments of others and posts each line of its input. It is written from docs/protocol.md alone, and does what the page
 * asks of a client, except polling. In a browser only the input and the output would be others.
 * Two more arguments are the seconds of silence until it pings, and those until it gives up: 45 and 5.
 */

import { createInterface } from 'node:readline';

const [address = 'ws://127.0.0.1:8888/ws/demo', quiet = '45', patience = '5'] = process.argv.slice(2);
const HELD_MS = 10_000;
const ATTEMPTS = 5;
const REPLIES = ['pong', 'ack', 'reject', 'identity'];
const notify = (text) => console.error(`(${text})`);
const between = (least, most) => least + Math.random() * (most - least);

let epoch = '';
let seq = 0;
let guest = { session: '', user: '' };
let offered = guest; // the new guest of the newest welcome
const unanswered = new Map(); // posts by ref: {message, attempts}
/** @type {WebSocket | null} */
let socket = null;
let url;
let welcomedAt = null; // null before the welcome
let signedIn = false;
let checking = false;
let bye = null;
let failures = 0;
let timer;

function startTimer(seconds, call) {
  clearTimeout(timer);
  timer = setTimeout(call, seconds * 1000);
}

function connect() {
  url = new URL(address);
  if (epoch) url.searchParams.set('cursor', `${epoch}:${seq}`);
  welcomedAt = bye = null;
  signedIn = checking = false;
  const opened = (socket = new WebSocket(url));
  opened.onopen = () => guest.session && send({ type: 'auth', token: guest.session });
  opened.onmessage = ({ data }) => opened === socket && handle(JSON.parse(data));
  opened.onclose = ({ code }) => opened === socket && comeBack(code);
  startTimer(10, comeBack);
}

/** Only then earlier failures are forgotten. */
function hasHeld() {
  return welcomedAt !== null && performance.now() - welcomedAt >= HELD_MS;
}

function disconnect() {
  if (welcomedAt !== null) notify('disconnected');
  if (hasHeld()) failures = 0;
  const closing = socket;
  socket = null;
  signedIn = false;
  closing?.close();
}

/** Connects again after the connection has ended. */
async function comeBack(code = 1006) {
  disconnect();
  if ((code >= 4500 && code <= 4999) || bye?.reconnect_after === null) leave(1);
  const delay = Math.min(20, 2 ** failures);
  let wait = between(delay / 2, delay);
  if (bye) {
    wait = Math.max(bye.reconnect_after, failures > 0 ? Math.min(5, delay / 2) : 0);
  } else if (welcomedAt === null) {
    const refusal = await askWhyRefused();
    if (refusal) notify(refusal.message);
    if (refusal?.code === 'bad_cursor') epoch = '';
    else if (refusal && !refusal.temporary) leave(1);
    if (refusal?.retry_after) wait = between(1, 1.5) * refusal.retry_after;
  }
  failures += 1;
  startTimer(wait, connect);
}

/** The reason of a failed handshake, which a WebSocket does not tell; null if there is none. */
async function askWhyRefused() {
  try {
    const response = await fetch(String(url).replace('ws', 'http'), { signal: AbortSignal.timeout(5_000) });
    const { error } = await response.json();
    const temporary = error.retry_after !== null || response.status >= 500 || [408, 425, 429].includes(response.status);
    return response.status === 426 ? null : { ...error, temporary };
  } catch {
    return null;
  }
}

function send(message) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

/** Asks whether the server is there: after a silence, and with each post. */
function check() {
  if (checking || welcomedAt === null || !socket) return;
  checking = true;
  send({ type: 'ping' });
  startTimer(patience, comeBack);
}

function handle(message) {
  if (REPLIES.includes(message.type)) checking = false;
  if (checking) startTimer(patience, comeBack);
  else startTimer(quiet, check);
  if (message.type === 'welcome') onWelcome(message);
  if (message.type === 'batch' || message.type === 'skip') onRange(message);
  if (message.type === 'identity') becomeGuest(message);
  if (message.type === 'ack') unanswered.delete(message.ref);
  if (message.type === 'reject') onReject(message);
  if (message.type === 'bye') {
    bye = message;
    notify(message.message);
  }
}

function onWelcome({ recovered, reason, entries, ...welcome }) {
  welcomedAt = performance.now();
  const missing = epoch !== '' && !recovered;
  if (missing) notify('some comments are missing');
  notify('connected');
  if (missing && !['limit', 'trimmed'].includes(reason)) seq = 0; // mine is of another numbering
  show(entries);
  ({ epoch, seq } = welcome);
  offered = welcome;
  if (!guest.session) becomeGuest(offered);
}

/** Sends the unanswered posts, now that the server knows whose they are. */
function becomeGuest({ session, user }) {
  guest = { session, user };
  if (signedIn) return;
  signedIn = true;
  for (const { message } of unanswered.values()) send(message);
}

function onRange({ type, first, last, entries = [] }) {
  if (first > seq + 1) return fillGap();
  if (type === 'skip') notify('some comments are missing');
  show(entries);
  seq = Math.max(seq, last);
}

function fillGap() {
  if (failures > 0 && !hasHeld()) return comeBack();
  disconnect();
  failures = 1;
  connect();
}

function show(entries) {
  for (const { kind, seq: number, user, name, text } of entries) {
    if (kind === 'comment' && number > seq && user !== guest.user) console.log(`${name}: ${text}`);
  }
}

function onReject({ ref, code, message, retry_after: after }) {
  const post = unanswered.get(ref);
  if (!signedIn && ref === null) {
    if (after === null) becomeGuest(offered);
    else setTimeout(() => send({ type: 'auth', token: guest.session }), after * 1000);
  } else if (post && after !== null && (post.attempts += 1) < ATTEMPTS) {
    setTimeout(() => signedIn && send(post.message), after * 1000);
  } else {
    unanswered.delete(ref);
    notify(message);
  }
}

function post(text) {
  const message = { type: 'post', text, ref: crypto.randomUUID() };
  unanswered.set(message.ref, { message, attempts: 0 });
  if (signedIn) send(message);
  check();
}

function leave(code) {
  if (unanswered.size > 0) notify(`lines not posted: ${unanswered.size}`);
  process.exit(code || unanswered.size > 0 ? 1 : 0);
}

connect();
createInterface({ input: process.stdin })
  .on('line', post)
  .on('close', () => setInterval(() => unanswered.size === 0 && leave(0), 50));
