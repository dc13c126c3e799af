/** The lobby page: cards of the live rooms, refreshed by polling; the server's date and time; the field that opens a room. */

import { followTheme, makeAppearanceFields } from '../page/appearance.js';
import { attachPopover } from '../page/popover.js';
import { find } from '../page/dom.js';
import { t } from '../page/i18n.js';
import { onComplete } from '../page/text-entry.js';
import { Preferences } from '../page/preferences.js';
import { SERVER } from '../page/server.js';
import { RoomCard } from './room-card.js';
import { ROOM_NAME } from '../connection/wire.js';

const REFRESH_MS = 5000;

/** @typedef {import('./room-card.js').LiveRoom} LiveRoom */

const list = find('rooms');
const noRooms = find('no-rooms');
const notReachable = find('no-answer');
/** @type {Map<string, RoomCard>} */
const cards = new Map();

/** @param {LiveRoom[]} rooms */
function showRooms(rooms) {
  const live = new Set(rooms.map(({ room }) => room));
  for (const [room, card] of cards) {
    if (live.has(room)) continue;
    card.element.remove();
    cards.delete(room);
  }
  for (const room of rooms) {
    const card = cards.get(room.room);
    if (card) card.show(room);
    else {
      const added = new RoomCard(room);
      cards.set(room.room, added);
      list.append(added.element); // existing cards keep their position, so that none moves under the pointer
    }
  }
  list.removeAttribute('aria-busy');
  noRooms.hidden = rooms.length > 0;
  const watching = rooms.reduce((sum, { viewers }) => sum + viewers, 0);
  find('rooms-summary').textContent = rooms.length ? t('lobby.summary', { rooms: rooms.length, viewers: watching }) : '';
}

async function refresh() {
  try {
    const response = await fetch(`${SERVER}/api/rooms`, { cache: 'no-store' });
    if (!response.ok) throw new Error(`status ${response.status}`);
    const { rooms, now } = await response.json();
    clock.set(now);
    showRooms(rooms);
    notReachable.hidden = true;
  } catch {
    notReachable.hidden = false; // keep what is shown; the next request may succeed
  }
}

/** The server's clock in the server's own time zone. */
const clock = {
  element: /** @type {HTMLTimeElement} */ (find('server-time')),
  aheadMs: 0,
  zoneMs: 0,

  start() {
    const written = this.element.dateTime;
    const zone = /([+-])(\d\d):(\d\d)$/.exec(written);
    this.zoneMs = zone ? (zone[1] === '-' ? -1 : 1) * (Number(zone[2]) * 60 + Number(zone[3])) * 60_000 : 0;
    this.set(Date.parse(written));
    this.tick();
  },

  /** @param {number} now Unix milliseconds */
  set(now) {
    if (Number.isFinite(now)) this.aheadMs = now - Date.now();
  },

  tick() {
    const now = Date.now() + this.aheadMs;
    const text = new Date(now + this.zoneMs).toISOString();
    this.element.textContent = `${text.slice(0, 10)} ${text.slice(11, 19)}`;
    setTimeout(() => this.tick(), 1000 - (now % 1000));
  },
};

function handleOpenRoom() {
  const form = /** @type {HTMLFormElement} */ (find('open-room'));
  const field = /** @type {HTMLInputElement} */ (form.elements.namedItem('room'));
  const hint = find('room-name-hint');
  field.addEventListener('input', () => {
    field.removeAttribute('aria-invalid');
    hint.textContent = '';
  });
  onComplete(field, () => {
    const room = field.value.trim().toLowerCase();
    if (ROOM_NAME.test(room)) return location.assign(`${SERVER}/r/${room}`);
    field.setAttribute('aria-invalid', 'true');
    hint.textContent = room === '' ? t('lobby.room_missing') : t('reject.bad_room');
    field.focus();
  });
}

const preferences = new Preferences();
followTheme(preferences);
find('appearance').append(...makeAppearanceFields(preferences));
attachPopover(/** @type {HTMLElement} */ (document.getElementById('settings-card')), find('settings-button'));
handleOpenRoom();
clock.start();
refresh();
setInterval(() => document.hidden || refresh(), REFRESH_MS);
document.addEventListener('visibilitychange', () => document.hidden || refresh());
