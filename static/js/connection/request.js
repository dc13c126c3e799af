/** JSON over HTTP, with a time-out. It needs nothing that is newer than Chromium 103, the browser of OBS 28. */

/** A response with an error status. */
export class ErrorResponse extends Error {
  /** @param {number} status @param {{code?: unknown, message?: unknown, retry_after?: unknown}} error */
  constructor(status, error) {
    super(typeof error.message === 'string' ? error.message : '');
    this.status = status;
    this.code = typeof error.code === 'string' ? error.code : '';
    this.retryAfter = typeof error.retry_after === 'number' ? error.retry_after : null;
  }
}

/**
 * Returns the body of a response. Throws an ErrorResponse, or another error when none came.
 * @param {string | URL} url
 * @param {RequestInit} init
 * @param {{timeoutMs: number, signals: AbortSignal[]}} until  what ends the request
 */
export async function request(url, init, { timeoutMs, signals }) {
  const ended = new AbortController(); // AbortSignal.any is newer
  const end = () => ended.abort();
  const timer = setTimeout(end, timeoutMs);
  for (const signal of signals) {
    if (signal.aborted) end();
    signal.addEventListener('abort', end);
  }
  try {
    const response = await fetch(url, { ...init, signal: ended.signal, cache: 'no-store' });
    const body = await response.json().catch(() => (ended.signal.aborted ? Promise.reject(new Error('aborted')) : {}));
    if (!response.ok) throw new ErrorResponse(response.status, body?.error ?? {});
    return body;
  } finally {
    clearTimeout(timer);
    for (const signal of signals) signal.removeEventListener('abort', end);
  }
}
