/**
 * The stage: comments that move over a picture without ever touching each other.
 *
 *   const scheduler = new RenderScheduler();
 *   const stage = new Stage(document.querySelector('[data-role=stage]'), { scheduler, settings });
 *   stage.add(entry, { own: true });
 *
 * Add live comments, and after a resume the missed ones: it ignores what is more than a few seconds old, so a resume causes no
 * burst. Do not add the history of a first join. The caller filters the words and users that the viewer hides. This class
 * connects the other modules of the folder and makes none of their decisions. Needs css/stage.css.
 */

import { ActiveComments } from './active-comments.js';
import { StageClock, unixNow } from './clock.js';
import { DEFAULT_SETTINGS, changeSettings, computeGeometry } from './geometry.js';
import { Hover, commentAt } from './hover.js';
import { Lanes } from './lanes.js';
import { PendingComments, STALE_AFTER_MS } from './pending-comments.js';
import { Placement } from './placement.js';
import { commentsMove } from './playback.js';
import { MAX_WAIT_MS, mergeEqual, sortByPriority } from './priority.js';
import { ServerClock } from './server-clock.js';

/** @typedef {import('./priority.js').StageEntry} StageEntry */
/** @typedef {import('./geometry.js').StageSettings} StageSettings */

const EXTRA_ATTEMPTS = 6; // how many candidates beyond the free lanes are tried in one pass

/**
 * Events: `comment-click`, a CustomEvent with detail {seq, entry, element, originalEvent};
 *         `dropped`, a CustomEvent with detail {count}: comments that got no lane since the last such event.
 */
export class Stage extends EventTarget {
  #element;
  #scheduler;
  #settings = DEFAULT_SETTINGS;
  #plane = document.createElement('div');
  #lanes = new Lanes();
  #placement = new Placement(this.#lanes, computeGeometry(0, 0, DEFAULT_SETTINGS), DEFAULT_SETTINGS);
  #clock = new StageClock();
  #pending;
  #comments = new ActiveComments(this.#plane, this.#lanes, this.#clock);
  #visible = true;
  #resumedAt = 0;
  #hiddenAt = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #wakeTimer;
  #resizeObserver = new ResizeObserver(() => this.#measure());
  #reducedMotion = matchMedia('(prefers-reduced-motion: reduce)');
  #abort = new AbortController();
  #hover = new Hover(this.#plane, this.#comments.held, (seq, held) => this.#setHeld(seq, held), this.#abort.signal);

  /**
   * @param {HTMLElement} element the `[data-role=stage]` element; it must be positioned and sized by the page
   * @param {object} options
   * @param {import('../page/render-scheduler.js').RenderScheduler} options.scheduler
   * @param {Partial<StageSettings>} [options.settings]
   * @param {ServerClock} [options.serverClock]
   */
  constructor(element, { scheduler, settings = {}, serverClock = new ServerClock() }) {
    super();
    this.#pending = new PendingComments(serverClock);
    this.#element = element;
    this.#scheduler = scheduler;
    this.#plane.className = 'stage-plane';
    element.setAttribute('aria-hidden', 'true'); // screen readers read the transcript
    element.translate = false; // a translation would be wider than the space that was measured
    element.classList.add('notranslate');
    element.append(this.#plane);
    this.configure(settings);
    this.#resizeObserver.observe(element);
    const { signal } = this.#abort;
    this.#plane.addEventListener('click', (event) => this.#onClick(event), { signal });
    this.#reducedMotion.addEventListener('change', () => this.#followReducedMotion(), { signal });
    document.addEventListener('visibilitychange', () => this.#followVisibility(), { signal });
    document.fonts.addEventListener('loadingdone', () => this.#remeasure(), { signal });
    this.#followVisibility();
  }

  /** How many comments are on the stage. */
  get onScreen() {
    return this.#comments.size;
  }

  /**
   * Adds a comment. It is shown as soon as a lane is free; when none is within a second, it is dropped.
   * @param {StageEntry} entry
   * @param {{own?: boolean}} [options] own: by this viewer; underlined, and shown first
   */
  add(entry, { own = false } = {}) {
    if (!this.#visible || !this.#settings.modes[entry.mode ?? 'scroll'] || this.#comments.get(entry.seq)) return;
    this.#pending.add(entry, own, unixNow());
    this.#scheduler.request(this.#pass);
  }

  /** Removes one comment. @param {number} seq */
  remove(seq) {
    this.removeWhere((entry) => entry.seq === seq);
  }

  /** Removes every comment up to and including `lastSeq`; without it, all. @param {number} [lastSeq] */
  clear(lastSeq = Infinity) {
    this.removeWhere((entry) => entry.seq <= lastSeq);
  }

  /** Removes every comment for which `test` is true. @param {(entry: StageEntry) => boolean} test */
  removeWhere(test) {
    this.#pending.removeWhere(test);
    this.#removeActive(test);
  }

  /** Changes settings at once; those left out stay. @param {Partial<StageSettings>} settings */
  configure(settings) {
    this.#settings = changeSettings(this.#settings, settings);
    const { modes, delaySeconds } = this.#settings;
    this.#pending.delayMs = delaySeconds * 1000;
    if (settings.modes) this.removeWhere((entry) => !modes[entry.mode ?? 'scroll']);
    this.#followReducedMotion();
    this.#measure();
    this.#scheduler.request(this.#pass);
  }

  /**
   * Follows the video: all comments stand while it is paused, and while a film waits for data.
   * @param {import('./playback.js').Playback} playback @param {{live?: boolean}} [options] live: it is a live stream
   */
  setPlayback(playback, { live = false } = {}) {
    this.#setRunning(commentsMove(playback, live), 'playback');
  }

  /** Shows or hides the comments; hiding removes them. @param {boolean} visible */
  setVisible(visible) {
    this.#visible = visible;
    if (!visible) this.clear();
  }

  /** Stops one comment until `release(seq)`, as hovering does. @param {number} seq */
  hold(seq) {
    this.#hover.pin(seq);
  }

  /** @param {number} seq */
  release(seq) {
    this.#hover.unpin(seq);
  }

  /** Stops everything and leaves the element empty. */
  destroy() {
    this.setVisible(false);
    this.#abort.abort();
    this.#resizeObserver.disconnect();
    this.#plane.remove();
  }

  /** The only pass in which the stage adds comments to the page. */
  #pass = () => {
    this.#comments.removeExpired();
    if (this.#clock.running) this.#place(this.#clock.now());
    else this.#pending.dropStale(unixNow());
    const count = this.#pending.takeDropped();
    if (count > 0) this.dispatchEvent(new CustomEvent('dropped', { detail: { count } }));
    this.#setWakeTimer();
  };

  /** Gives lanes to the waiting comments, by priority. @param {number} now */
  #place(now) {
    const unix = unixNow();
    const waiting = this.#pending.takeDue(unix, this.#resumedAt);
    if (waiting.length === 0 || this.#placement.geometry.width === 0) return;
    const freeLanes = this.#placement.freeLanes(now);
    const candidates = sortByPriority(waiting.length > freeLanes && this.#settings.merge ? mergeEqual(waiting) : waiting);
    const tried = candidates.splice(0, freeLanes + EXTRA_ATTEMPTS);
    const spread = tried.length < 2 ? 0 : Math.min(MAX_WAIT_MS / 2, Math.max(this.#scheduler.busyGapMs, tried.length * 25));
    this.#comments.elements.prepare(tried, this.#settings).forEach(({ candidate, element, size }, index) => {
      const start = spread * ((index * 0.618034) % 1); // golden-ratio steps: even, and neighbours far apart, so no visible pattern
      const box = this.#placement.place(candidate, size, now, { start, latest: candidate.readyAt + MAX_WAIT_MS - unix });
      if (box) {
        this.#comments.add(box, { element, candidate });
      } else {
        this.#comments.elements.recycle(element);
        candidates.push(candidate);
      }
    });
    this.#pending.putBack(candidates);
  }

  /** Schedules a pass for when the next comment is due, or the next one has to be removed. */
  #setWakeTimer() {
    clearTimeout(this.#wakeTimer);
    if (!this.#clock.running) return;
    const wait = Math.min(this.#pending.msUntilNext(unixNow()), this.#comments.msUntilExpiry());
    if (Number.isFinite(wait)) this.#wakeTimer = setTimeout(() => this.#scheduler.request(this.#pass), wait);
  }

  /** @param {(entry: StageEntry) => boolean} test */
  #removeActive(test) {
    this.#comments.removeWhere(test, this.#settings);
    this.#setWakeTimer();
  }

  /** @param {number} seq @param {boolean} held */
  #setHeld(seq, held) {
    this.#comments.get(seq)?.element.toggleAttribute('data-held', held);
    this.#setWakeTimer();
  }

  /** @param {boolean} running @param {string} reason */
  #setRunning(running, reason) {
    if (!(running ? this.#clock.start(reason) : this.#clock.stop(reason))) return;
    this.#comments.followClock();
    if (running) this.#resumedAt = unixNow();
    this.#scheduler.request(this.#pass);
  }

  /** Applies the `motion` setting and the system's preference for reduced motion: a short list instead of scrolling. */
  #followReducedMotion() {
    const { motion } = this.#settings;
    const still = motion === 'still' || (motion === 'auto' && this.#reducedMotion.matches);
    if (still === this.#placement.still) return;
    this.#placement.still = still;
    this.#plane.classList.toggle('stage-still', still);
    this.#comments.elements.forgetSizes();
    this.#removeActive(() => true);
  }

  /** Stops while the tab is hidden. After a long time the comments no longer fit the picture, so they are removed. */
  #followVisibility() {
    if (document.hidden) {
      this.#hiddenAt = unixNow();
      this.#setRunning(false, 'hidden');
    } else {
      if (unixNow() - this.#hiddenAt > STALE_AFTER_MS) this.#removeActive(() => true);
      this.#setRunning(true, 'hidden');
    }
  }

  /** Applies the element's size. Comments on the plane keep their distances; only the scale and the right edge change. */
  #measure() {
    const geometry = computeGeometry(this.#element.clientWidth, this.#element.clientHeight, this.#settings);
    const { scale, width, height } = geometry;
    Object.assign(this.#placement, { geometry, settings: this.#settings });
    const { style } = this.#plane;
    style.width = `${width}px`;
    style.height = `${height}px`;
    style.transform = `scale(${scale})`;
    style.opacity = String(this.#settings.opacity);
  }

  #remeasure() {
    this.#comments.remeasure();
    this.#setWakeTimer();
  }

  /** @param {MouseEvent} event */
  #onClick(event) {
    const element = commentAt(event.target);
    const active = this.#comments.get(Number(element?.dataset.seq));
    if (!element || !active) return;
    const detail = { seq: active.candidate.entry.seq, entry: active.candidate.entry, element, originalEvent: event };
    this.dispatchEvent(new CustomEvent('comment-click', { detail }));
  }
}
