/**
 * The live comments, and what is done with the chosen one. Arrow keys move among the comments; a click, Enter or a key of an act
 * chooses the one that has the focus.
 */

import { find } from '../page/dom.js';

/** @typedef {import('../connection/wire.js').CommentEntry} CommentEntry */

/** The acts and their keys. */
const KEYS = new Map([
  ['r', 'remove'],
  ['m', 'mute'],
  ['b', 'ban'],
  ['u', 'user'],
]);

export class Live {
  #transcript;
  #chosen;
  #empty;
  #buttons;
  /** @type {{entry: CommentEntry, element: Element} | null} */
  #choice = null;

  /**
   * @param {import('../room/transcript.js').Transcript} transcript
   * @param {(act: string, entry: CommentEntry) => void} act
   */
  constructor(transcript, act) {
    this.#transcript = transcript;
    this.#chosen = find('chosen');
    this.#empty = find('chosen-none');
    this.#buttons = /** @type {HTMLButtonElement[]} */ ([...document.querySelectorAll('[data-act]')]);
    transcript.addEventListener('comment-click', (event) => this.#choose(/** @type {CustomEvent} */ (event).detail));
    for (const button of this.#buttons) button.addEventListener('click', () => this.#run(button.dataset.act ?? '', act));
    document.addEventListener('keydown', (event) => {
      const name = KEYS.get(event.key.toLowerCase());
      const isTyping = event.target instanceof Element && event.target.matches('input, textarea, select');
      if (!name || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
      const focused = document.activeElement;
      if (focused instanceof HTMLElement && focused.matches('.transcript-row')) focused.click();
      if (this.#choice) event.preventDefault();
      this.#run(name, act);
    });
    this.#show();
  }

  /** @param {CommentEntry} entry */
  add(entry) {
    this.#transcript.add(entry);
  }

  /** @param {(entry: {seq: number, user?: string}) => boolean} test */
  removeWhere(test) {
    this.#transcript.removeWhere(test);
    if (this.#choice && test(this.#choice.entry)) this.#choose(null);
  }

  /** @param {{entry: CommentEntry, element: Element} | null} choice */
  #choose(choice) {
    this.#choice?.element.classList.remove('chosen');
    this.#choice = choice;
    choice?.element.classList.add('chosen');
    this.#show();
  }

  #show() {
    const entry = this.#choice?.entry;
    this.#chosen.hidden = !entry;
    this.#empty.hidden = Boolean(entry);
    if (entry) {
      find('chosen-name').textContent = entry.name;
      find('chosen-text').textContent = entry.text;
    }
    for (const button of this.#buttons) button.disabled = !entry;
  }

  /** @param {string} name @param {(act: string, entry: CommentEntry) => void} act */
  #run(name, act) {
    if (this.#choice) act(name, this.#choice.entry);
  }
}
