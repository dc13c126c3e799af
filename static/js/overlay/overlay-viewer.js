/**
 * A viewer without a user interface: a room's comments on a stage. It only reads, recovers from every interruption by itself, and
 * connects after a random delay, so that many overlays of one server do not connect at the same time. A final refusal ends it:
 * the caller is told why.
 */

import { RenderScheduler } from '../page/render-scheduler.js';
import { SERVER } from '../page/server.js';
import { Connection } from '../connection/connection.js';
import { stageSettings } from './look.js';
import { Stage } from '../stage/stage.js';
import { removedBy } from '../connection/removals.js';

/** @typedef {import('../connection/wire.js').Entry} Entry */

const START_WITHIN_MS = 2000;

export class OverlayViewer {
  #connection;
  #look;
  #roomDelay = 0;
  #abort = new AbortController();
  #timer;

  /**
   * @param {HTMLElement} element the `[data-role=stage]` element
   * @param {object} options
   * @param {string} options.room
   * @param {string} [options.server]
   * @param {import('./look.js').Look} options.look
   * @param {import('../stage/server-clock.js').ServerClock} [options.serverClock]
   * @param {(why: {reason: string, message: string}) => void} options.ended  the server refused the viewer for good: a code or '',
   *   and the server's sentence or ''
   */
  constructor(element, { room, server = SERVER, look, serverClock, ended }) {
    this.#look = look;
    this.stage = new Stage(element, { scheduler: new RenderScheduler(), settings: stageSettings(look), serverClock });
    this.#connection = new Connection({ room, server, history: 0, readOnly: true });
    this.#on('settings', ({ settings }) => this.#applySettings(settings));
    this.#on('entries', ({ entries, source }) => this.#applyEntries(entries, source));
    this.#on('lost', ({ restarted }) => restarted && this.stage.clear());
    this.#on('state', ({ detail, reason, message }) => {
      if (detail === 'ended' && !this.#abort.signal.aborted) ended({ reason, message });
    });
    document.addEventListener('visibilitychange', () => this.#followVisibility(), { signal: this.#abort.signal });
    this.#timer = setTimeout(() => {
      this.#followVisibility();
      this.#connection.start();
    }, Math.random() * START_WITHIN_MS);
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
