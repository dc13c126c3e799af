/**
 * The stage: comments that fly over a picture without ever touching each other.
 *
 *   const beat = new Beat();
 *   const stage = new Stage(document.querySelector('[data-role=stage]'), { beat, settings });
 *   stage.add(entry, { own: true });
 *
 * Feed it what is live and what was missed (a resume); it leaves out by itself what is more than a few seconds old, so a
 * resume is no burst. Do not feed it the history of a first join. Words and users the viewer hides are the caller's to filter.
 * It brings foyer, policy, lanes, holds and elements together and decides nothing that one of them decides. Needs css/stage.css.
 */

import { CommentElements, sizeOf } from './comment-elements.js';
import { FRESH_MS, Foyer } from './foyer.js';
import { Holds } from './holds.js';
import { Lanes, leftAt } from './lanes.js';
import { Pointing, commentAt } from './pointing.js';
import { PATIENCE_MS, goesFirst, inOrder, mergeEqual } from './policy.js';
import { StageClock } from './stage-clock.js';
import { DEFAULT_SETTINGS, LISTED_MOST, changeSettings, layOut, pathOf } from './stage-geometry.js';

/** @typedef {import('./policy.js').StageEntry} StageEntry */
/** @typedef {import('./policy.js').Offer} Offer */
/** @typedef {import('./stage-geometry.js').StageSettings} StageSettings */

const HURRY = 6; // how many more than seem to fit are tried in one pass
const STEP_MS = 80;
const LATEST_START_MS = 400; // how far ahead a lane is taken; those who go first may look further
const TYPICAL = { mode: /** @type {const} */ ('scroll'), width: 160, height: 34 };
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
  #settings;
  #geometry;
  #plane = document.createElement('div');
  #elements = new CommentElements(this.#plane);
  #lanes = new Lanes();
  #clock = new StageClock();
  #foyer = new Foyer();
  #holds = new Holds(this.#lanes, this.#clock, (seq) => this.#follow(seq));
  /** @type {Map<number, import('./comment-elements.js').Performer>} */
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
   * @param {{beat: import('./beat.js').Beat, settings?: Partial<StageSettings>}} options
   */
  constructor(element, { beat, settings = {} }) {
    super();
    this.#element = element;
    this.#beat = beat;
    this.#settings = DEFAULT_SETTINGS;
    this.#geometry = layOut(0, 0, DEFAULT_SETTINGS);
    this.#plane.className = 'stage-plane';
    element.setAttribute('aria-hidden', 'true'); // the transcript is what is read aloud
    element.append(this.#plane);
    this.configure(settings);
    this.#resizes.observe(element);
    const { signal } = this.#end;
    this.#plane.addEventListener('click', (event) => this.#click(event), { signal });
    this.#stillness.addEventListener('change', () => this.#takeOff(() => true), { signal });
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
    clearTimeout(this.#alarm);
  }

  /** The one pass in which the stage writes to the page. */
  #pass = () => {
    const now = this.#clock.now();
    for (const seq of this.#lanes.leaveDone(now)) this.#putAway(seq);
    if (this.#clock.running) this.#launch(now);
    else this.#foyer.air(wallNow());
    const count = this.#foyer.takeDropped();
    if (count > 0) this.dispatchEvent(new CustomEvent('dropped', { detail: { count } }));
    this.#setAlarm();
  };

  /** Gives lanes to those who wait, in the order the policy says. @param {number} now */
  #launch(now) {
    const wall = wallNow();
    const waiting = this.#foyer.call(wall, this.#startedAt);
    if (waiting.length === 0 || this.#geometry.width === 0) return;
    const room = this.#lanes.count(pathOf(TYPICAL, this.#geometry, this.#settings, now), this.#geometry.upper, now);
    const crowded = waiting.length > room;
    const offers = inOrder(crowded && this.#settings.merge ? mergeEqual(waiting) : waiting);
    const tried = offers.splice(0, room + HURRY);
    const spread = tried.length < 2 ? 0 : Math.min(PATIENCE_MS / 2, Math.max(this.#beat.busyGapMs, tried.length * 25));
    this.#elements.prepare(tried, this.#settings).forEach(({ offer, element, size }, index) => {
      const start = spread * ((index * 0.618034) % 1); // evenly over the beat, neighbours far apart: no column, no staircase
      const box = this.#place(offer, size, now, start, offer.readyAt + PATIENCE_MS - wall);
      if (box) this.#show({ element, offer }, box);
      else {
        this.#elements.putAway(element);
        offers.push(offer);
      }
    });
    this.#foyer.keep(offers);
    this.#holds.update();
  }

  /** @param {{element: HTMLElement, offer: Offer}} performer @param {import('./lanes.js').Box} box */
  #show({ element, offer }, box) {
    const startTime = this.#clock.onTimeline(box.from);
    this.#performers.set(box.id, this.#elements.show(element, offer, box, this.#geometry.width, startTime));
  }

  /**
   * A lane for one comment that may come into sight up to `patience` milliseconds from now.
   * @param {Offer} offer @param {import('./comment-elements.js').Size} size @param {number} now @param {number} start @param {number} patience
   */
  #place(offer, size, now, start, patience) {
    const still = this.#stillness.matches;
    const mode = still ? 'listed' : (offer.entry.mode ?? 'scroll');
    const first = goesFirst(offer);
    const most = still ? LISTED_MOST : first ? Infinity : this.#settings.maxOnScreen || Infinity;
    if (this.onScreen >= most) return null;
    const side = still || mode === 'bottom' ? 'bottom' : 'top';
    const rows = side === 'bottom' ? this.#geometry.whole : this.#geometry.upper;
    const latest = Math.min(patience, first ? PATIENCE_MS : LATEST_START_MS);
    for (let delay = Math.min(start, latest); delay <= latest; delay += STEP_MS) {
      const path = pathOf({ mode, ...size }, this.#geometry, this.#settings, now, delay);
      const top = this.#lanes.find(path, rows, now, side);
      if (top !== null) return this.#lanes.take(offer.entry.seq, path, top);
      if (path.speed === 0) return null;
    }
    return null;
  }

  /** Wakes the stage for the next thing that is due without a comment arriving. */
  #setAlarm() {
    clearTimeout(this.#alarm);
    if (!this.#clock.running) return;
    const now = this.#clock.now();
    let wait = this.#foyer.nextIn(wallNow());
    for (const box of this.#lanes) {
      if (box.stoppedAt === null) wait = Math.min(wait, box.until + (box.speed > 0 ? LINGER_MS : 0) - now);
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
    this.#holds.update();
  }

  /** @param {number} seq */
  #putAway(seq) {
    const performer = this.#performers.get(seq);
    if (performer) this.#elements.putAway(performer.element, performer.animation);
    this.#performers.delete(seq);
  }

  /** The element of a box that stopped or goes on does so too. @param {number} seq */
  #follow(seq) {
    const performer = this.#performers.get(seq);
    const box = this.#lanes.get(seq);
    if (!performer || !box) return;
    const now = this.#clock.now();
    if (box.stoppedAt !== null || !this.#clock.running) this.#elements.stop(performer, box, now);
    else this.#elements.resume(performer, this.#clock.onTimeline(box.from));
  }

  /** @param {number} seq @param {boolean} held */
  #mark(seq, held) {
    this.#performers.get(seq)?.element.toggleAttribute('data-held', held);
    this.#setAlarm();
  }

  /** @param {boolean} running @param {string} reason */
  #run(running, reason) {
    if (!(running ? this.#clock.start(reason) : this.#clock.stop(reason))) return;
    for (const seq of this.#performers.keys()) this.#follow(seq);
    this.#holds.update();
    if (running) this.#startedAt = wallNow();
    this.#beat.request(this.#pass);
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
    this.#geometry = layOut(this.#element.clientWidth, this.#element.clientHeight, this.#settings);
    const { scale, width, height } = this.#geometry;
    const { style } = this.#plane;
    style.width = `${width}px`;
    style.height = `${height}px`;
    style.transform = `scale(${scale})`;
    style.opacity = String(this.#settings.opacity);
  }

  /** A font arrived late and texts are wider than they were: what would touch now leaves. */
  #fitAgain() {
    this.#elements.forgetSizes();
    const now = this.#clock.now();
    const sizes = [...this.#performers].map(([seq, performer]) => ({ seq, performer, ...sizeOf(performer.element) }));
    for (const { seq, performer, width, height } of sizes) {
      const box = this.#lanes.get(seq);
      if (!box || (width <= box.width && height <= box.height)) continue;
      this.#lanes.leave(seq);
      performer.animation?.cancel();
      const until = box.until + (box.speed > 0 ? (width - box.width) / box.speed : 0);
      const path = { ...box, left: leftAt(box, now), from: now, width, height, until };
      if (this.#lanes.find(path, { top: box.top, bottom: box.top + height }, now) === null) this.#putAway(seq);
      else this.#show(performer, this.#lanes.take(seq, path, box.top));
    }
    this.#holds.update();
  }

  /** @param {MouseEvent} event */
  #click(event) {
    const element = commentAt(event.target);
    const performer = this.#performers.get(Number(element?.dataset.seq));
    if (!element || !performer) return;
    const { entry } = performer.offer;
    this.dispatchEvent(new CustomEvent('comment-click', { detail: { seq: entry.seq, entry, element, originalEvent: event } }));
  }
}
