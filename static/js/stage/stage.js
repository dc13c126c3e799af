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

import { StageClock } from './clock.js';
import { CommentElements, sizeOf } from './comment-elements.js';
import { DEFAULT_SETTINGS, changeSettings, computeGeometry } from './geometry.js';
import { HeldComments } from './held-comments.js';
import { Hover, commentAt } from './hover.js';
import { Lanes, expiresAt } from './lanes.js';
import { MotionLayers } from './motion-layers.js';
import { PendingComments, STALE_AFTER_MS } from './pending-comments.js';
import { Placement } from './placement.js';
import { MAX_WAIT_MS, mergeEqual, sortByPriority } from './priority.js';

/** @typedef {import('./priority.js').StageEntry} StageEntry */
/** @typedef {import('./priority.js').Candidate} Candidate */
/** @typedef {import('./geometry.js').StageSettings} StageSettings */

const EXTRA_ATTEMPTS = 6; // how many candidates beyond the free lanes are tried in one pass
const CLEANUP_DELAY_MS = 1000; // comments that scrolled out are removed in the next pass, at the latest after this time

/** This page's clock in Unix milliseconds, monotonic. */
const unixNow = () => performance.timeOrigin + performance.now();

/**
 * Events: `comment-click`, a CustomEvent with detail {seq, entry, element, originalEvent};
 *         `dropped`, a CustomEvent with detail {count}: comments that got no lane since the last such event.
 */
export class Stage extends EventTarget {
  #element;
  #scheduler;
  #settings = DEFAULT_SETTINGS;
  #plane = document.createElement('div');
  #elements = new CommentElements(this.#plane);
  #lanes = new Lanes();
  #placement = new Placement(this.#lanes, computeGeometry(0, 0, DEFAULT_SETTINGS), DEFAULT_SETTINGS);
  #clock = new StageClock();
  #pending = new PendingComments();
  #heldComments = new HeldComments(this.#lanes, this.#clock, (seq) => this.#mount(seq));
  #layers = new MotionLayers(this.#plane, this.#clock);
  /** @type {Map<number, {element: HTMLElement, candidate: Candidate}>} */
  #activeComments = new Map();
  #visible = true;
  #resumedAt = 0;
  #hiddenAt = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #wakeTimer;
  #resizeObserver = new ResizeObserver(() => this.#measure());
  #reducedMotion = matchMedia('(prefers-reduced-motion: reduce)');
  #abort = new AbortController();
  #hover = new Hover(this.#plane, this.#heldComments, (seq, held) => this.#setHeld(seq, held), this.#abort.signal);

  /**
   * @param {HTMLElement} element the `[data-role=stage]` element; it must be positioned and sized by the page
   * @param {{scheduler: import('../page/render-scheduler.js').RenderScheduler, settings?: Partial<StageSettings>}} options
   */
  constructor(element, { scheduler, settings = {} }) {
    super();
    this.#element = element;
    this.#scheduler = scheduler;
    this.#plane.className = 'stage-plane';
    element.setAttribute('aria-hidden', 'true'); // screen readers read the transcript
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
    return this.#activeComments.size;
  }

  /**
   * Adds a comment. It is shown as soon as a lane is free; when none is within a second, it is dropped.
   * @param {StageEntry} entry
   * @param {{own?: boolean}} [options] own: by this viewer; underlined, and shown first
   */
  add(entry, { own = false } = {}) {
    if (!this.#visible || !this.#settings.modes[entry.mode ?? 'scroll'] || this.#activeComments.has(entry.seq)) return;
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

  /** Stops all comments while the video is paused. @param {boolean} paused */
  setPaused(paused) {
    this.#setRunning(!paused, 'paused');
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
    const now = this.#clock.now();
    for (const seq of this.#lanes.removeExpired(now)) this.#recycle(seq);
    if (this.#clock.running) this.#place(now);
    else this.#pending.dropStale(unixNow());
    this.#layers.sweep();
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
    this.#elements.prepare(tried, this.#settings).forEach(({ candidate, element, size }, index) => {
      const start = spread * ((index * 0.618034) % 1); // golden-ratio steps: even, and neighbours far apart, so no visible pattern
      const box = this.#placement.place(candidate, size, now, { start, latest: candidate.readyAt + MAX_WAIT_MS - unix });
      if (box) {
        this.#activeComments.set(box.id, { element, candidate });
        this.#layers.mount(element, box);
      } else {
        this.#elements.recycle(element);
        candidates.push(candidate);
      }
    });
    this.#pending.putBack(candidates);
  }

  /** Schedules a pass for when the next comment is due, or the next one has to be removed. */
  #setWakeTimer() {
    clearTimeout(this.#wakeTimer);
    if (!this.#clock.running) return;
    const now = this.#clock.now();
    let wait = this.#pending.msUntilNext(unixNow());
    for (const box of this.#lanes) {
      wait = Math.min(wait, expiresAt(box) + (box.speed > 0 ? CLEANUP_DELAY_MS : 0) - now);
    }
    if (Number.isFinite(wait)) this.#wakeTimer = setTimeout(() => this.#scheduler.request(this.#pass), wait);
  }

  /** @param {(entry: StageEntry) => boolean} test */
  #removeActive(test) {
    for (const [seq, { candidate }] of this.#activeComments) {
      if (!test(candidate.entry)) continue;
      this.#lanes.remove(seq);
      this.#recycle(seq);
    }
    this.#layers.sweep();
    this.#heldComments.update();
    this.#setWakeTimer();
  }

  /** @param {number} seq */
  #recycle(seq) {
    const active = this.#activeComments.get(seq);
    if (active) this.#elements.recycle(active.element);
    this.#activeComments.delete(seq);
  }

  /** Moves an element to its box, which will stop or has resumed. @param {number} seq */
  #mount(seq) {
    const active = this.#activeComments.get(seq);
    const box = this.#lanes.get(seq);
    if (active && box) this.#layers.mount(active.element, box);
  }

  /** @param {number} seq @param {boolean} held */
  #setHeld(seq, held) {
    this.#activeComments.get(seq)?.element.toggleAttribute('data-held', held);
    this.#setWakeTimer();
  }

  /** @param {boolean} running @param {string} reason */
  #setRunning(running, reason) {
    if (!(running ? this.#clock.start(reason) : this.#clock.stop(reason))) return;
    this.#layers.followClock();
    this.#heldComments.update();
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
    this.#elements.forgetSizes();
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

  /** Measures the comments again after a font was loaded and removes those that would touch now. Newest first: an older one may need their space. */
  #remeasure() {
    this.#elements.forgetSizes();
    const sizes = [...this.#activeComments].reverse().map(([seq, { element }]) => ({ seq, ...sizeOf(element) }));
    this.#heldComments.update((now) => {
      for (const { seq, ...size } of sizes) {
        const box = this.#lanes.get(seq);
        if (!box || (size.width <= box.width && size.height <= box.height)) continue;
        if (!this.#lanes.resize(seq, size, now)) this.#recycle(seq);
      }
    });
    this.#setWakeTimer();
  }

  /** @param {MouseEvent} event */
  #onClick(event) {
    const element = commentAt(event.target);
    const active = this.#activeComments.get(Number(element?.dataset.seq));
    if (!element || !active) return;
    const detail = { seq: active.candidate.entry.seq, entry: active.candidate.entry, element, originalEvent: event };
    this.dispatchEvent(new CustomEvent('comment-click', { detail }));
  }
}
