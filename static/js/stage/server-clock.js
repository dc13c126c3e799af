/**
 * Estimates the server's clock from what arrives: the smallest difference seen between this page's clock and the `at` of a
 * comment belongs to the comment that travelled fastest. It sends no requests.
 *
 * A smaller difference is taken at once. A larger one is taken only after comments arrived for a while with nothing smaller
 * among them, so that a clock that was set is noticed within a minute, and a burst of comments that were held up on the way
 * (a hidden tab, a lost network) does not make them look new.
 */

const WINDOW_MS = 30_000;
const MIN_SPAN_MS = 10_000; // arrivals of a window that lie closer together are no evidence

export class ServerClock {
  /** Milliseconds that this page's clock is ahead, the shortest transmission included. */
  #aheadMs = Infinity;
  #window = { first: 0, last: 0, aheadMs: Infinity };

  /** Records a comment that just arrived. @param {number} at the server's stamp @param {number} now this page's clock, milliseconds */
  observe(at, now) {
    const { first, last, aheadMs } = this.#window;
    if (now >= first + WINDOW_MS) {
      if (last - first >= MIN_SPAN_MS) this.#aheadMs = aheadMs;
      this.#window = { first: now, last: now, aheadMs: Infinity };
    }
    this.#window.last = now;
    this.#window.aheadMs = Math.min(this.#window.aheadMs, now - at);
    this.#aheadMs = Math.min(this.#aheadMs, now - at);
  }

  get #estimateMs() {
    return Number.isFinite(this.#aheadMs) ? this.#aheadMs : 0;
  }

  /** This page's time at which a comment with the server's stamp `at` can have arrived. @param {number} at */
  toLocalTime(at) {
    return at + this.#estimateMs;
  }

  /** The server's stamp of a comment that arrives at this page's time `now`. @param {number} now */
  toServerTime(now) {
    return now - this.#estimateMs;
  }
}

/**
 * A clock that starts from the time at which the server rendered this page, in `data-now` of the body, so that the first comments
 * that arrive can be recognised as late.
 */
export function pageServerClock() {
  const clock = new ServerClock();
  const at = Number(document.body.dataset.now);
  const [page] = /** @type {PerformanceNavigationTiming[]} */ (performance.getEntriesByType('navigation'));
  if (at > 0 && page) clock.observe(at, performance.timeOrigin + page.responseStart);
  return clock;
}
