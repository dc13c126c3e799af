/**
 * Exchanges wire messages over a WebSocket. To detect a dead connection it sends a `ping` when nothing was received for a
 * while, and ends when nothing follows. It never reconnects by itself.
 */

/** @typedef {import('./wire.js').Transport} Transport */

const OPEN_TIMEOUT_MS = 10_000;
const PING_AFTER_MS = 45_000;
const PONG_TIMEOUT_MS = 10_000;
const ABNORMAL_CLOSURE = 1006;

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
  let timer = setTimeout(onTimeout, OPEN_TIMEOUT_MS);

  /** @param {number} code @param {string} [reason] */
  function end(code, reason = '') {
    if (closed) return;
    close();
    const final = code >= 4500 && code <= 4999;
    listener.ended({
      code,
      message: bye?.message ?? reason,
      again: !final && (bye === null || bye.reconnect_after !== null),
      after: bye?.reconnect_after ?? null,
    });
  }

  function close() {
    closed = true;
    clearTimeout(timer);
    if (socket.readyState <= WebSocket.OPEN) socket.close(1000);
  }

  function onTimeout() {
    end(ABNORMAL_CLOSURE);
  }

  function restartTimer() {
    clearTimeout(timer);
    timer = setTimeout(() => {
      socket.send('{"type":"ping"}');
      timer = setTimeout(onTimeout, PONG_TIMEOUT_MS);
    }, PING_AFTER_MS);
  }

  socket.addEventListener('open', () => {
    if (closed) return;
    restartTimer();
    if (address.token) socket.send(JSON.stringify({ type: 'auth', token: address.token }));
  });
  socket.addEventListener('message', ({ data }) => {
    if (closed) return;
    restartTimer();
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
    close: close,
  };
}

/** @param {import('./wire.js').Address} address */
function socketUrl({ server, room, name, history, cursor }) {
  const url = new URL(`${server}/ws/${room}`);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  if (name) url.searchParams.set('name', name);
  if (cursor) url.searchParams.set('cursor', cursor);
  url.searchParams.set('history', String(history));
  return url;
}
