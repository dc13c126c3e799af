/** The room page: creates the connection, the stage and the parts of the page, and connects them. */

import { followTheme } from '../page/appearance.js';
import { RenderScheduler } from '../page/render-scheduler.js';
import { attachPopover } from '../page/popover.js';
import { takeTokenFromAddress } from './address-token.js';
import { CommentMenu } from './comment-menu.js';
import { Composer, rulesFor } from './composer.js';
import { DelayedRows } from './delayed-rows.js';
import { Connection } from '../connection/connection.js';
import { Moderator } from '../connection/moderator.js';
import { removedBy } from '../connection/removals.js';
import { showDroppedCount } from './dropped-counter.js';
import { find } from '../page/dom.js';
import { makeFilter } from './filters.js';
import { hasText, t } from '../page/i18n.js';
import { SERVER } from '../page/server.js';
import { registerShortcuts } from './shortcuts.js';
import { fillStylePopover, keptName, styleOf } from './comment-style.js';
import { Player } from './player.js';
import { Preferences } from '../page/preferences.js';
import { rejectionText } from '../page/rejection-text.js';
import { showStatus } from './status.js';
import { fillSettingsPopover, stageSettings } from './settings-popover.js';
import { pageServerClock } from '../stage/server-clock.js';
import { Stage } from '../stage/stage.js';
import { startClock } from './testcard.js';
import { Transcript } from './transcript.js';
import { showUnsent } from './unsent.js';
import { Video } from './video.js';

/** The roles that moderate. */
const MODERATORS = new Set(['moderator', 'host']);

/** @typedef {import('../connection/wire.js').Entry} Entry */
/** @typedef {import('../connection/wire.js').RoomSettings} RoomSettings */

const HISTORY = 100;
const MUTE_MINUTES = 10;
const GUEST_PREFIX = 'g-'; // of the ids of guests

const token = takeTokenFromAddress(); // before anything else
const room = document.body.dataset.room ?? '';
const scheduler = new RenderScheduler();
const preferences = new Preferences();
let ownName = keptName(preferences);
const connection = new Connection({ room, server: SERVER, name: ownName, history: HISTORY, token });
const serverClock = pageServerClock();
const stage = new Stage(find('stage'), { scheduler, serverClock, settings: stageSettings(preferences, {}) });
const transcript = new Transcript(
  { list: find('transcript'), empty: find('transcript-empty'), newer: /** @type {HTMLButtonElement} */ (find('newer')) },
  scheduler,
);
const rows = new DelayedRows(transcript, serverClock);
const composer = new Composer(/** @type {HTMLFormElement} */ (find('composer')), { connection, scheduler, style: () => styleOf(preferences) });
const video = new Video({ video: /** @type {HTMLVideoElement} */ (find('video')), testcard: find('testcard') }, preferences);
const player = new Player(find('room-main'), { preferences, stage, video, scheduler });
const moderator = new Moderator({ server: SERVER, room, token: () => connection.userToken });
const menu = new CommentMenu(find('comment-card'), preferences);

/** @type {RoomSettings} */
let settings = {};
let user = '';
let role = 'viewer';
/** The seqs of the viewer's own comments: over HTTP the server does not tell which user the viewer is. @type {Set<number>} */
const ownSeqs = new Set();
/** @type {(comment: import('./filters.js').Comment) => boolean} */
let isHidden = () => false;
let filterApplied = false;

/** @param {RoomSettings} changed */
function applySettings(changed) {
  settings = changed;
  find('room-title').textContent = settings.title || room;
  composer.setRules(rulesFor({ user, role }, settings));
  configureStage();
  video.load(settings.video_url ?? '');
}

function configureStage() {
  const changed = stageSettings(preferences, settings);
  stage.configure(changed);
  rows.setDelay(changed.delaySeconds ?? 0);
}

function applyPreferences() {
  configureStage();
  transcript.setAnnounced(preferences.values.announce);
  return applyFilter();
}

async function applyFilter() {
  const { values } = preferences;
  filterApplied = false;
  const filter = await makeFilter(preferences).catch(() => null); // without a connection its module cannot be loaded
  if (filter === null || values !== preferences.values) return;
  filterApplied = true;
  isHidden = filter;
  transcript.hideWhere(isHidden);
  stage.removeWhere(isHidden);
}

/** Tells the server a name that was chosen, here or in another tab. */
function applyName() {
  const name = keptName(preferences);
  if (name === ownName) return;
  ownName = name;
  connection.rename(name);
}

/** @param {{seq: number, user?: string}} entry */
function isOwn({ seq, user: by }) {
  return (user !== '' && by === user) || ownSeqs.has(seq);
}

/** What the viewer can do with comments as a moderator. @returns {import('./comment-menu.js').Acts} */
function acts() {
  /** @param {Promise<unknown>} done */
  const attempt = (done) => done.catch((error) => composer.warn(rejectionText({ code: error.code ?? '', message: t('menu.failed') })));
  if (!MODERATORS.has(role)) return null;
  return {
    remove: ({ seq }) => attempt(moderator.retract(seq)),
    removeAll: ({ user: by = '' }) => attempt(moderator.clearUser(by)),
    mute: ({ user: by = '' }) => attempt(moderator.sanction({ user: by, kind: 'mute', minutes: MUTE_MINUTES })),
    ban: ({ user: by = '' }) => attempt(moderator.sanction({ user: by, kind: 'ban' })),
  };
}

/** @param {{seq: number}} comment */
async function report({ seq }) {
  try {
    await connection.report(seq);
    composer.tell(t('menu.reported'));
  } catch (error) {
    const { code = '', message = '' } = /** @type {{code?: string, message?: string}} */ (error);
    composer.warn(rejectionText({ code, message: code ? message : t('menu.failed') }));
  }
}

/** Removes comments wherever they are shown. @param {(comment: {seq: number, user?: string}) => boolean} test */
function removeWhere(test) {
  stage.removeWhere(test);
  rows.removeWhere(test);
  menu.closeWhere(test);
}

/** @param {Entry[]} entries @param {string} source */
function applyEntries(entries, source) {
  for (const entry of entries) {
    const isRemoved = removedBy(entry);
    if (isRemoved) removeWhere(isRemoved);
    if (entry.kind === 'comment') {
      const own = isOwn(entry);
      // The stage first, since it measures before it writes: the other way round the page would be laid out twice.
      if (source !== 'history' && !isHidden(entry) && !entry.shadow) stage.add(entry, { own });
      rows.add(entry);
    } else if (entry.kind === 'clear') {
      transcript.note(t('transcript.cleared'));
    }
  }
}

/** Forgets a stored name that the server refused, so that it is not sent again. @param {{code: string}} refusal */
function forgetRefusedName({ code }) {
  if (!code.startsWith('name_') || preferences.values.name === '') return;
  preferences.set({ name: '' });
}

/**
 * @template Detail
 * @param {string} type
 * @param {(detail: Detail) => void} listener
 */
function on(type, listener) {
  connection.addEventListener(type, (event) => listener(/** @type {CustomEvent<Detail>} */ (event).detail));
}

on('welcome', (/** @type {import('../connection/wire.js').Welcome} */ welcome) => {
  user = welcome.user ?? '';
  role = welcome.role ?? 'viewer';
  composer.setName(welcome.name ?? '');
  transcript.markLoaded();
  if (!filterApplied) applyFilter();
});
on('settings', (/** @type {{settings: RoomSettings}} */ changed) => applySettings(changed.settings));
on('identity', (/** @type {import('../connection/wire.js').Identity} */ identity) => {
  user = identity.user;
  role = identity.role;
  composer.setName(identity.name);
  transcript.markOwn(isOwn); // the history came before
  setFixedName(user === '' || user.startsWith(GUEST_PREFIX) ? '' : identity.name);
  applySettings(settings);
});
on('signedout', (/** @type {{code: string, message: string}} */ why) => composer.warn(rejectionText(why)));
on('entries', (/** @type {{entries: Entry[], source: string}} */ { entries, source }) => applyEntries(entries, source));
on('lost', (/** @type {{reason: string, restarted: boolean}} */ { reason, restarted }) => {
  if (restarted) {
    removeWhere(() => true);
    ownSeqs.clear();
  }
  transcript.note(hasText(`lost.${reason}`) ? t(`lost.${reason}`) : t('lost.other'));
});
on('accepted', (/** @type {{seq: number}} */ { seq }) => {
  ownSeqs.add(seq);
  if (user === '') transcript.markOwn(isOwn); // over HTTP the comment may come before its ack
});
on('rejected', forgetRefusedName);
on('refused', forgetRefusedName);

document.addEventListener('visibilitychange', () => (document.hidden ? connection.pause() : connection.resume()));
window.addEventListener('hashchange', () => {
  const pasted = takeTokenFromAddress();
  if (pasted) connection.signIn(pasted);
});
preferences.addEventListener('change', applyPreferences);
preferences.addEventListener('change', applyName); // also from another tab
document.addEventListener('fullscreenchange', configureStage);
stage.addEventListener('comment-click', (event) => {
  const { seq, entry, element } = /** @type {CustomEvent} */ (event).detail;
  stage.hold(seq);
  menu.open(entry, element, { own: isOwn(entry), acts: acts(), report, onClose: () => stage.release(seq) });
});
transcript.addEventListener('comment-click', (event) => {
  const { entry, element } = /** @type {CustomEvent} */ (event).detail;
  menu.open(entry, element, { own: isOwn(entry), acts: acts(), report });
});

followTheme(preferences);
startClock(find('testcard'), scheduler);
showStatus(connection, scheduler);
showUnsent(connection, scheduler);
showDroppedCount(find('dropped'), stage, scheduler);
const setFixedName = fillStylePopover(find('look-card'), { preferences, done: () => composer.focus() });
fillSettingsPopover(find('settings-card'), preferences, room);
attachPopover(find('look-card'), find('look-button'));
attachPopover(find('settings-card'), find('settings-button'));
attachPopover(find('keys-card'), find('keys-button'));
registerShortcuts(
  {
    c: () => composer.focus(),
    d: () => player.toggleDanmaku(),
    f: () => player.toggleFullscreen(),
    m: () => player.toggleMute(),
    t: () => player.toggleTheatre(),
  },
  find('keys-card'),
);

transcript.markOwn(isOwn);
if (document.hidden) connection.pause();
applyPreferences().finally(() => connection.start()); // no hidden word is shown while the filter loads
if (matchMedia('(hover: hover)').matches) composer.focus(); // on a phone the on-screen keyboard would cover the picture
