/** The card of a live room in the lobby: its test card with the latest comments, its title and the number of viewers. */

import { isDark } from '../stage/comment-elements.js';
import { make } from '../page/dom.js';
import { t } from '../page/i18n.js';
import { SERVER } from '../page/server.js';
import { hueOf } from '../page/user-color.js';

/** @typedef {{room: string, viewers: number, title: string, last: import('../connection/wire.js').Entry[]}} LiveRoom */

const TESTCARD = new URL('../../testcard.svg', import.meta.url).href;
const DEGREES_PER_HUE = 30;
/** The tops of the lanes in percent of the picture's height; the middle shows the room's name. */
const LANES = [4, 15, 26, 68, 80];

export class RoomCard {
  element;
  #heading = make('bdi');
  #plate = make('bdi');
  #watching = make('p', { class: 'watching figures' });
  #commentLayer = make('div', { class: 'card-comments', 'aria-hidden': 'true' });
  /** @type {Map<number, HTMLElement>} by seq, so that an update does not restart their animations */
  #comments = new Map();

  /** @param {LiveRoom} live */
  constructor(live) {
    const name = make('p', { class: live.room.length > 16 ? 'plate-name long' : 'plate-name' }, this.#plate);
    const card = make('div', { class: 'testcard', 'aria-hidden': 'true' }, make('img', { src: TESTCARD, alt: '' }), make('div', { class: 'plate' }, name));
    card.style.setProperty('--turn', String(hueOf(live.room) * DEGREES_PER_HUE));
    const picture = make('div', { class: 'picture' }, card, this.#commentLayer);
    const words = make('div', { class: 'words' }, make('h3', {}, this.#heading), this.#watching);
    this.element = make('li', { class: 'room-card', 'data-room': live.room }, make('a', { href: `${SERVER}/r/${live.room}` }, picture, words));
    this.#plate.textContent = live.room;
    this.show(live);
  }

  /** @param {LiveRoom} live */
  show({ room, viewers, title, last }) {
    this.#heading.textContent = title || room;
    this.#watching.textContent = t('lobby.watching', { n: viewers });
    const comments = last.filter((entry) => entry.kind === 'comment').slice(-LANES.length);
    const seqs = new Set(comments.map(({ seq }) => seq));
    for (const [seq, element] of this.#comments) {
      if (seqs.has(seq)) continue;
      element.remove();
      this.#comments.delete(seq);
    }
    for (const comment of comments) if (!this.#comments.has(comment.seq)) this.#addComment(comment);
  }

  /** @param {import('../connection/wire.js').CommentEntry} comment */
  #addComment({ seq, text, color }) {
    const element = make('span', {}, make('bdi', {}, text));
    element.style.setProperty('--height', `${LANES[seq % LANES.length]}%`); // consecutive comments are in different lanes
    element.style.setProperty('--start', String((seq * 7.3) % 16)); // spread over the 16 s of the animation
    if (color) element.style.color = color;
    element.classList.toggle('dark', isDark(color));
    this.#comments.set(seq, element);
    this.#commentLayer.append(element);
  }
}
