/**
 * A spectator: a room's comments on a stage and nothing else, with nobody there to press a button. It only listens, goes on
 * after any interruption, and starts after a random moment, so that a hundred overlays of one server do not start at once.
 */

import { Beat } from '../page/render-scheduler.js';
import { Connection } from '../connection/connection.js';
import { stageSettings } from './look.js';
import { Stage } from '../stage/stage.js';

/** @typedef {import('../connection/wire.js').Entry} Entry */

const START_WITHIN_MS = 2000;
const AGAIN_AFTER_MS = 60_000; // when the server said that trying again is no use: it may be another server by then

export class Spectator {
  #connection;
  #look;
  #roomDelay = 0;
  #end = new AbortController();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {HTMLElement} element the `[data-role=stage]` element
   * @param {{room: string, origin?: string, look: import('./look.js').Look, startWithinMs?: number}} options
   */
  constructor(element, { room, origin = location.origin, look, startWithinMs = START_WITHIN_MS }) {
    this.#look = look;
    this.stage = new Stage(element, { beat: new Beat(), settings: stageSettings(look) });
    this.#connection = new Connection({ room, origin, history: 0, listenOnly: true });
    this.#on('settings', ({ settings }) => this.#obey(settings));
    this.#on('entries', ({ entries, source }) => this.#take(entries, source));
    this.#on('lost', ({ restarted }) => restarted && this.stage.clear());
    this.#on('state', ({ state, detail }) => {
      if (state === 'offline' && detail === 'ended') this.#startWithin(2 * AGAIN_AFTER_MS, AGAIN_AFTER_MS);
    });
    document.addEventListener('visibilitychange', () => this.#followTab(), { signal: this.#end.signal });
    this.#startWithin(startWithinMs);
  }

  /** Changes the look at once. @param {import('./look.js').Look} look */
  wear(look) {
    this.#look = look;
    this.stage.configure(stageSettings(look, this.#roomDelay));
  }

  /** Ends it for good and leaves the element empty. */
  stop() {
    this.#end.abort();
    clearTimeout(this.#timer);
    this.#connection.stop();
    this.stage.destroy();
  }

  /** @param {number} most @param {number} [least] milliseconds */
  #startWithin(most, least = 0) {
    clearTimeout(this.#timer);
    if (this.#end.signal.aborted) return;
    this.#timer = setTimeout(
      () => {
        this.#followTab();
        this.#connection.start();
      },
      least + Math.random() * (most - least),
    );
  }

  #followTab() {
    if (document.hidden) this.#connection.pause();
    else this.#connection.resume();
  }

  /** @param {string} type @param {(detail: any) => void} listener */
  #on(type, listener) {
    this.#connection.addEventListener(type, (event) => listener(/** @type {CustomEvent} */ (event).detail));
  }

  /** @param {import('../connection/wire.js').RoomSettings} settings */
  #obey({ delay = 0 }) {
    this.#roomDelay = delay;
    this.wear(this.#look);
  }

  /** @param {Entry[]} entries @param {string} source */
  #take(entries, source) {
    for (const entry of source === 'history' ? [] : entries) {
      if (entry.kind === 'comment') this.stage.add(entry);
      else if (entry.kind === 'retract') this.stage.remove(entry.target);
      else if (entry.kind === 'clear') this.stage.clear(entry.before);
    }
  }
}
