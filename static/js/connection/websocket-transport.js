/**
 * Carries the wire over a WebSocket, as it is. Notices a connection that died without a word: after a silence it asks
 * with one `ping`, and ends when nothing answers. It never reconnects by itself.
 */

/** @typedef {import('./wire.js').Transport} Transport */

const OPENING_MS = 10_000;
const SILENCE_MS = 45_000;
const ANSWER_MS = 10_000;
const NO_ANSWER = 1006;

/**
 * @param {import('./wire.js').Address} address
 * @param {import('./wire.js').Listener} listener
 * @returns {Transport}
 */
export function openWebSocket(address, listener) {
  const socket = new WebSocket(socketUrl(address));
  /** @type {import('./wire.js').Bye | null} */
  let bye = null;
  let closed = false;
  let watch = setTimeout(giveUp, OPENING_MS);

  /** @param {number} code @param {string} [reason] */
  function end(code, reason = '') {
    if (closed) return;
    shut();
    const final = code >= 4500 && code <= 4999;
    listener.ended({
      code,
      message: bye?.message ?? reason,
      again: !final && (bye === null || bye.reconnect_after !== null),
      after: bye?.reconnect_after ?? null,
    });
  }

  function shut() {
    closed = true;
    clearTimeout(watch);
    if (socket.readyState <= WebSocket.OPEN) socket.close(1000);
  }

  function giveUp() {
    end(NO_ANSWER);
  }

  function listenOn() {
    clearTimeout(watch);
    watch = setTimeout(() => {
      socket.send('{"type":"ping"}');
      watch = setTimeout(giveUp, ANSWER_MS);
    }, SILENCE_MS);
  }

  socket.addEventListener('open', () => {
    if (closed) return;
    listenOn();
    if (address.token) socket.send(JSON.stringify({ type: 'auth', token: address.token }));
  });
  socket.addEventListener('message', ({ data }) => {
    if (closed) return;
    listenOn();
    const message = JSON.parse(data);
    if (message.type === 'bye') bye = message;
    listener.message(message);
  });
  socket.addEventListener('close', ({ code, reason }) => end(code, reason));

  return {
    kind: 'websocket',
    send(message) {
      if (closed || socket.readyState !== WebSocket.OPEN) return false;
      socket.send(JSON.stringify(message));
      return true;
    },
    close: shut,
  };
}

/** @param {import('./wire.js').Address} address */
function socketUrl({ origin, room, name, history, cursor }) {
  const url = new URL(`/ws/${room}`, origin);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  if (name) url.searchParams.set('name', name);
  if (cursor) url.searchParams.set('cursor', cursor);
  url.searchParams.set('history', String(history));
  return url;
}
