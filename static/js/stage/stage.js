/**
 * The stage: comments that fly over a picture without ever touching each other.
 *
 *   const beat = new Beat();
 *   const stage = new Stage(document.querySelector('[data-role=stage]'), { beat, settings });
 *   stage.add(entry, { own: true });
 *
 * Feed it what is live and what was missed (a resume); it leaves out by itself what is more than a few seconds old, so a
 * resume is no burst. Do not feed it the history of a first join. Words and users the viewer hides are the caller's to filter.
 * It brings foyer, policy, lanes, holds, currents and elements together and decides nothing that one of them decides. Needs css/stage.css.
 */

import { CommentElements, sizeOf } from './comment-elements.js';
import { Currents } from './motion-layers.js';
import { FRESH_MS, Foyer } from './pending-comments.js';
import { Holds } from './held-comments.js';
import { Lanes, leavesAt } from './lanes.js';
import { Pointing, commentAt } from './hover.js';
import { Placement } from './placement.js';
import { PATIENCE_MS, inOrder, mergeEqual } from './priority.js';
import { StageClock } from './clock.js';
import { DEFAULT_SETTINGS, changeSettings, layOut } from './geometry.js';

/** @typedef {import('./priority.js').StageEntry} StageEntry */
/** @typedef {import('./priority.js').Offer} Offer */
/** @typedef {import('./geometry.js').StageSettings} StageSettings */

const HURRY = 6; // how many more than seem to fit are tried in one pass
const LINGER_MS = 1000; // what has left waits for the next pass, or this long

/** This page's clock in Unix milliseconds, which nobody sets while it runs. */
const wallNow = () => performance.timeOrigin + performance.now();

/**
 * Events: `comment-click`, a CustomEvent with detail {seq, entry, element, originalEvent};
 *         `dropped`, a CustomEvent with detail {count}: comments that found no place since the last such event.
 */
export class Stage extends EventTarget {
  #element;
  #beat;
  #settings = DEFAULT_SETTINGS;
  #plane = document.createElement('div');
  #elements = new CommentElements(this.#plane);
  #lanes = new Lanes();
  #placement = new Placement(this.#lanes, layOut(0, 0, DEFAULT_SETTINGS), DEFAULT_SETTINGS);
  #clock = new StageClock();
  #foyer = new Foyer();
  #holds = new Holds(this.#lanes, this.#clock, (seq) => this.#lay(seq));
  #currents = new Currents(this.#plane, this.#clock);
  /** @type {Map<number, {element: HTMLElement, offer: Offer}>} */
  #performers = new Map();
  #visible = true;
  #startedAt = 0;
  #hiddenAt = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #alarm;
  #resizes = new ResizeObserver(() => this.#measure());
  #stillness = matchMedia('(prefers-reduced-motion: reduce)');
  #end = new AbortController();
  #pointing = new Pointing(this.#plane, this.#holds, (seq, held) => this.#mark(seq, held), this.#end.signal);

  /**
   * @param {HTMLElement} element the `[data-role=stage]` element; it must be positioned and sized by the page
   * @param {{beat: import('../page/render-scheduler.js').Beat, settings?: Partial<StageSettings>}} options
   */
  constructor(element, { beat, settings = {} }) {
    super();
    this.#element = element;
    this.#beat = beat;
    this.#plane.className = 'stage-plane';
    element.setAttribute('aria-hidden', 'true'); // the transcript is what is read aloud
    element.append(this.#plane);
    this.configure(settings);
    this.#resizes.observe(element);
    const { signal } = this.#end;
    this.#plane.addEventListener('click', (event) => this.#click(event), { signal });
    this.#stillness.addEventListener('change', () => this.#followStillness(), { signal });
    document.addEventListener('visibilitychange', () => this.#followTab(), { signal });
    document.fonts.addEventListener('loadingdone', () => this.#fitAgain(), { signal });
    this.#followTab();
  }

  /** How many comments are on the stage. */
  get onScreen() {
    return this.#performers.size;
  }

  /**
   * Offers a comment to the stage; it flies as soon as there is a free lane, or within a second, or not at all.
   * @param {StageEntry} entry
   * @param {{own?: boolean}} [options] own: this viewer said it; underlined, and first in line
   */
  add(entry, { own = false } = {}) {
    if (!this.#visible || !this.#settings.modes[entry.mode ?? 'scroll'] || this.#performers.has(entry.seq)) return;
    this.#foyer.add(entry, own, wallNow());
    this.#beat.request(this.#pass);
  }

  /** Takes one comment off the stage. @param {number} seq */
  remove(seq) {
    this.removeWhere((entry) => entry.seq === seq);
  }

  /** Takes off every comment before `beforeSeq`; all of them without it. @param {number} [beforeSeq] */
  clear(beforeSeq = Infinity) {
    this.removeWhere((entry) => entry.seq < beforeSeq);
  }

  /** Takes off every comment for which `test` is true (a user just hidden). @param {(entry: StageEntry) => boolean} test */
  removeWhere(test) {
    this.#foyer.forget(test);
    this.#takeOff(test);
  }

  /** Changes settings at once; what is left out stays. @param {Partial<StageSettings>} settings */
  configure(settings) {
    this.#settings = changeSettings(this.#settings, settings);
    const { modes, delaySeconds } = this.#settings;
    this.#foyer.delayMs = delaySeconds * 1000;
    if (settings.modes) this.removeWhere((entry) => !modes[entry.mode ?? 'scroll']);
    this.#followStillness();
    this.#measure();
    this.#beat.request(this.#pass);
  }

  /** The video stands still, so does the stage. @param {boolean} paused */
  setPaused(paused) {
    this.#run(!paused, 'paused');
  }

  /** Danmaku switched on or off; off empties the stage. @param {boolean} visible */
  setVisible(visible) {
    this.#visible = visible;
    if (!visible) this.clear();
  }

  /** Stops one comment until `release(seq)`, as hovering does (while its menu is open). @param {number} seq */
  hold(seq) {
    this.#pointing.pin(seq);
  }

  /** @param {number} seq */
  release(seq) {
    this.#pointing.unpin(seq);
  }

  /** Stops everything and gives the element back empty. */
  destroy() {
    this.setVisible(false);
    this.#end.abort();
    this.#resizes.disconnect();
    this.#plane.remove();
  }

  /** The one pass in which the stage writes to the page. */
  #pass = () => {
    const now = this.#clock.now();
    for (const seq of this.#lanes.leaveDone(now)) this.#putAway(seq);
    if (this.#clock.running) this.#launch(now);
    else this.#foyer.air(wallNow());
    this.#currents.sweep();
    const count = this.#foyer.takeDropped();
    if (count > 0) this.dispatchEvent(new CustomEvent('dropped', { detail: { count } }));
    this.#setAlarm();
  };

  /** Gives lanes to those who wait, in the order the policy says. @param {number} now */
  #launch(now) {
    const wall = wallNow();
    const waiting = this.#foyer.call(wall, this.#startedAt);
    if (waiting.length === 0 || this.#placement.geometry.width === 0) return;
    const room = this.#placement.room(now);
    const offers = inOrder(waiting.length > room && this.#settings.merge ? mergeEqual(waiting) : waiting);
    const tried = offers.splice(0, room + HURRY);
    const spread = tried.length < 2 ? 0 : Math.min(PATIENCE_MS / 2, Math.max(this.#beat.busyGapMs, tried.length * 25));
    this.#elements.prepare(tried, this.#settings).forEach(({ offer, element, size }, index) => {
      const start = spread * ((index * 0.618034) % 1); // evenly over the beat, neighbours far apart: no column, no staircase
      const box = this.#placement.place(offer, size, now, { start, patience: offer.readyAt + PATIENCE_MS - wall });
      if (box) {
        this.#performers.set(box.id, { element, offer });
        this.#currents.lay(element, box);
      } else {
        this.#elements.putAway(element);
        offers.push(offer);
      }
    });
    this.#foyer.keep(offers);
  }

  /** Wakes the stage for the next thing that is due without a comment arriving. */
  #setAlarm() {
    clearTimeout(this.#alarm);
    if (!this.#clock.running) return;
    const now = this.#clock.now();
    let wait = this.#foyer.nextIn(wallNow());
    for (const box of this.#lanes) {
      wait = Math.min(wait, leavesAt(box) + (box.speed > 0 ? LINGER_MS : 0) - now);
    }
    if (Number.isFinite(wait)) this.#alarm = setTimeout(() => this.#beat.request(this.#pass), wait);
  }

  /** @param {(entry: StageEntry) => boolean} test */
  #takeOff(test) {
    for (const [seq, { offer }] of this.#performers) {
      if (!test(offer.entry)) continue;
      this.#lanes.leave(seq);
      this.#putAway(seq);
    }
    this.#currents.sweep();
    this.#holds.update();
    this.#setAlarm();
  }

  /** @param {number} seq */
  #putAway(seq) {
    const performer = this.#performers.get(seq);
    if (performer) this.#elements.putAway(performer.element);
    this.#performers.delete(seq);
  }

  /** Puts the element of a box where the box is; asked for when it stopped or goes on. @param {number} seq */
  #lay(seq) {
    const performer = this.#performers.get(seq);
    const box = this.#lanes.get(seq);
    if (performer && box) this.#currents.lay(performer.element, box);
  }

  /** @param {number} seq @param {boolean} held */
  #mark(seq, held) {
    this.#performers.get(seq)?.element.toggleAttribute('data-held', held);
    this.#setAlarm();
  }

  /** @param {boolean} running @param {string} reason */
  #run(running, reason) {
    if (!(running ? this.#clock.start(reason) : this.#clock.stop(reason))) return;
    this.#currents.followClock();
    this.#holds.update();
    if (running) this.#startedAt = wallNow();
    this.#beat.request(this.#pass);
  }

  /** Who asks for less motion gets a quiet list instead of flight, from now on. */
  #followStillness() {
    const { motion } = this.#settings;
    const still = motion === 'still' || (motion === 'auto' && this.#stillness.matches);
    if (still === this.#placement.still) return;
    this.#placement.still = still;
    this.#plane.classList.toggle('stage-still', still);
    this.#elements.forgetSizes();
    this.#takeOff(() => true);
  }

  /** A hidden tab stands still; after long the picture has gone on, and what was said before it is not resumed. */
  #followTab() {
    if (document.hidden) {
      this.#hiddenAt = wallNow();
      this.#run(false, 'hidden');
    } else {
      if (wallNow() - this.#hiddenAt > FRESH_MS) this.#takeOff(() => true);
      this.#run(true, 'hidden');
    }
  }

  /** The stage has another size: what lies on the plane keeps its distances, only the scale and the right edge change. */
  #measure() {
    const geometry = layOut(this.#element.clientWidth, this.#element.clientHeight, this.#settings);
    const { scale, width, height } = geometry;
    Object.assign(this.#placement, { geometry, settings: this.#settings });
    const { style } = this.#plane;
    style.width = `${width}px`;
    style.height = `${height}px`;
    style.transform = `scale(${scale})`;
    style.opacity = String(this.#settings.opacity);
  }

  /** A font arrived late and texts are wider than they were: what would touch now leaves. Newest first: its room is what the one before it needs. */
  #fitAgain() {
    this.#elements.forgetSizes();
    const sizes = [...this.#performers].reverse().map(([seq, { element }]) => ({ seq, ...sizeOf(element) }));
    this.#holds.update((now) => {
      for (const { seq, ...size } of sizes) {
        const box = this.#lanes.get(seq);
        if (!box || (size.width <= box.width && size.height <= box.height)) continue;
        if (!this.#lanes.resize(seq, size, now)) this.#putAway(seq);
      }
    });
    this.#setAlarm();
  }

  /** @param {MouseEvent} event */
  #click(event) {
    const element = commentAt(event.target);
    const performer = this.#performers.get(Number(element?.dataset.seq));
    if (!element || !performer) return;
    const detail = { seq: performer.offer.entry.seq, entry: performer.offer.entry, element, originalEvent: event };
    this.dispatchEvent(new CustomEvent('comment-click', { detail }));
  }
}
