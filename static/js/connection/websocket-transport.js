/**
 * Exchanges wire messages over a WebSocket. To detect a dead connection it sends a `ping`, when nothing was received for a while
 * or when it is told to check, and ends when nothing follows. It never reconnects by itself.
 */

import { ErrorResponse, request } from './request.js';

/** @typedef {import('./wire.js').Transport} Transport */
/** @typedef {import('./wire.js').Address} Address */

const WELCOME_TIMEOUT_MS = 10_000;
const PING_AFTER_MS = 45_000;
const RESPONSE_TIMEOUT_MS = 5_000;
const ABNORMAL_CLOSURE = 1006;
const REPLIES = new Set(['welcome', 'pong', 'ack', 'held', 'reject', 'identity']); // any other message may have been sent before the ping

/**
 * @param {Address} address
 * @param {import('./wire.js').Listener} listener
 * @returns {Transport}
 */
export function openWebSocket(address, listener) {
  const url = socketUrl(address);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  const socket = new WebSocket(url);
  /** @type {import('./wire.js').Bye | null} */
  let bye = null;
  let closed = false;
  let checking = true; // whether the timer waits for a reply; at first, for the welcome
  let timer = setTimeout(onTimeout, WELCOME_TIMEOUT_MS);

  /** @param {number} code @param {string} [reason] */
  function end(code, reason = '') {
    if (closed) return;
    close();
    listener.ended({ type: 'closed', code, bye }, bye?.message ?? reason);
  }

  function close() {
    closed = true;
    clearTimeout(timer);
    if (socket.readyState <= WebSocket.OPEN) socket.close(1000);
  }

  function onTimeout() {
    end(ABNORMAL_CLOSURE);
  }

  function check() {
    if (closed || checking) return;
    checking = true;
    clearTimeout(timer);
    timer = setTimeout(onTimeout, RESPONSE_TIMEOUT_MS);
    socket.send('{"type":"ping"}');
  }

  socket.addEventListener('open', () => {
    if (!closed && address.token) socket.send(JSON.stringify({ type: 'auth', token: address.token }));
  });
  socket.addEventListener('message', ({ data }) => {
    if (closed) return;
    const message = parse(data);
    if (!message) return end(ABNORMAL_CLOSURE); // not a server of ours
    checking &&= !REPLIES.has(message.type);
    clearTimeout(timer);
    timer = checking ? setTimeout(onTimeout, RESPONSE_TIMEOUT_MS) : setTimeout(check, PING_AFTER_MS);
    if (message.type === 'bye') bye = message;
    listener.message(message);
  });
  socket.addEventListener('close', ({ code, reason }) => end(code, reason));

  return {
    kind: 'websocket',
    check,
    send(message) {
      if (closed || socket.readyState !== WebSocket.OPEN) return false;
      socket.send(JSON.stringify(message.type === 'auth' ? { type: 'auth', token: message.token } : message));
      return true;
    },
    close,
  };
}

/**
 * Asks why a handshake failed: a script in a browser is not told, but the same request without an upgrade is.
 * @param {Address} address
 * @param {AbortSignal} signal
 * @returns {Promise<ErrorResponse | null>} null when the server gave no reason
 */
export async function askWhyRefused(address, signal) {
  try {
    await request(socketUrl(address), {}, { timeoutMs: RESPONSE_TIMEOUT_MS, signals: [signal] });
  } catch (error) {
    if (error instanceof ErrorResponse && error.code) return error; // without a code it is somebody else's response
  }
  return null;
}

/** @param {unknown} data @returns {import('./wire.js').ServerMessage | null} */
function parse(data) {
  try {
    const message = JSON.parse(String(data));
    return typeof message?.type === 'string' ? message : null;
  } catch {
    return null;
  }
}

/** @param {Address} address */
function socketUrl({ server, room, name, history, cursor }) {
  const url = new URL(`${server}/ws/${room}`);
  if (name) url.searchParams.set('name', name);
  if (cursor) url.searchParams.set('cursor', cursor);
  url.searchParams.set('history', String(history));
  return url;
}
