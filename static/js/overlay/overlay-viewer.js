/**
 * A viewer without a user interface: a room's comments on a stage. It only reads, recovers from every interruption by itself, and
 * connects after a random delay, so that many overlays of one server do not connect at the same time.
 */

import { RenderScheduler } from '../page/render-scheduler.js';
import { SERVER } from '../page/server.js';
import { Connection } from '../connection/connection.js';
import { stageSettings } from './look.js';
import { Stage } from '../stage/stage.js';
import { removedBy } from '../connection/removals.js';

/** @typedef {import('../connection/wire.js').Entry} Entry */

const START_WITHIN_MS = 2000;
const RETRY_AFTER_MS = 60_000; // after an error that is final for this server: it may have been replaced by then

export class OverlayViewer {
  #connection;
  #look;
  #roomDelay = 0;
  #abort = new AbortController();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {HTMLElement} element the `[data-role=stage]` element
   * @param {{room: string, server?: string, look: import('./look.js').Look, serverClock?: import('../stage/server-clock.js').ServerClock, startWithinMs?: number}} options
   */
  constructor(element, { room, server = SERVER, look, serverClock, startWithinMs = START_WITHIN_MS }) {
    this.#look = look;
    this.stage = new Stage(element, { scheduler: new RenderScheduler(), settings: stageSettings(look), serverClock });
    this.#connection = new Connection({ room, server, history: 0, readOnly: true });
    this.#on('settings', ({ settings }) => this.#applySettings(settings));
    this.#on('entries', ({ entries, source }) => this.#applyEntries(entries, source));
    this.#on('lost', ({ restarted }) => restarted && this.stage.clear());
    this.#on('state', ({ state, detail }) => {
      if (state === 'offline' && detail === 'ended') this.#startWithin(2 * RETRY_AFTER_MS, RETRY_AFTER_MS);
    });
    document.addEventListener('visibilitychange', () => this.#followVisibility(), { signal: this.#abort.signal });
    this.#startWithin(startWithinMs);
  }

  /** @param {import('./look.js').Look} look */
  setLook(look) {
    this.#look = look;
    this.stage.configure(stageSettings(look, this.#roomDelay));
  }

  /** Disconnects and leaves the element empty. */
  stop() {
    this.#abort.abort();
    clearTimeout(this.#timer);
    this.#connection.stop();
    this.stage.destroy();
  }

  /** @param {number} max @param {number} [min] milliseconds */
  #startWithin(max, min = 0) {
    clearTimeout(this.#timer);
    if (this.#abort.signal.aborted) return;
    this.#timer = setTimeout(
      () => {
        this.#followVisibility();
        this.#connection.start();
      },
      min + Math.random() * (max - min),
    );
  }

  #followVisibility() {
    if (document.hidden) this.#connection.pause();
    else this.#connection.resume();
  }

  /** @param {string} type @param {(detail: any) => void} listener */
  #on(type, listener) {
    this.#connection.addEventListener(type, (event) => listener(/** @type {CustomEvent} */ (event).detail));
  }

  /** @param {import('../connection/wire.js').RoomSettings} settings */
  #applySettings({ delay = 0 }) {
    this.#roomDelay = delay;
    this.setLook(this.#look);
  }

  /** @param {Entry[]} entries @param {string} source */
  #applyEntries(entries, source) {
    for (const entry of source === 'history' ? [] : entries) {
      const isRemoved = removedBy(entry);
      if (isRemoved) this.stage.removeWhere(isRemoved);
      else if (entry.kind === 'comment') this.stage.add(entry);
    }
  }
}
