/** The console of moderators: connects the room, the HTTP API and the cards of the page. */

import { followTheme } from '../page/appearance.js';
import { find } from '../page/dom.js';
import { formatNumber, t } from '../page/i18n.js';
import { Preferences } from '../page/preferences.js';
import { rejectionText } from '../page/rejection-text.js';
import { RenderScheduler } from '../page/render-scheduler.js';
import { SERVER } from '../page/server.js';
import { Connection } from '../connection/connection.js';
import { Moderator } from '../connection/moderator.js';
import { removedBy } from '../connection/removals.js';
import { takeTokenFromAddress } from '../room/address-token.js';
import { showStatus } from '../room/status.js';
import { Transcript } from '../room/transcript.js';
import { Filters } from './filters.js';
import { Live } from './live.js';
import { Log } from './log.js';
import { Queue } from './queue.js';
import { onRuleChange, showRules, undoPatch } from './rules.js';
import { showSanctions } from './sanctions.js';
import { Sparkline } from './sparkline.js';
import { attachTabs } from './tabs.js';
import { Toast } from './toast.js';
import { showUserCard } from './user-card.js';

/** @typedef {import('../connection/wire.js').Entry} Entry */
/** @typedef {import('../connection/wire.js').Act} Act */
/** @typedef {import('../connection/moderator.js').Sanction} Sanction */

const HISTORY = 100;
const MUTE_MINUTES = 10;
const MODERATORS = new Set(['moderator', 'host']);
const MAX_NAMES = 5_000;
const RELOAD_MS = 1_000; // of lists that many acts change
const REPORTS_MS = 10_000; // only the first report of a comment is announced
const OF_HELD = new Set(['hold', 'decide', 'clear']);
const OF_REPORTS = new Set(['report', 'dismiss', 'retract', 'hold', 'clear']);
const TITLE = document.title;

const token = takeTokenFromAddress(); // before anything else
const room = document.body.dataset.room ?? '';
const scheduler = new RenderScheduler();
const preferences = new Preferences();
const connection = new Connection({ room, server: SERVER, history: HISTORY, token });
const moderator = new Moderator({ server: SERVER, room, token: () => connection.userToken });
const transcript = new Transcript(
  { list: find('transcript'), empty: find('transcript-empty'), newer: /** @type {HTMLButtonElement} */ (find('newer')) },
  scheduler,
);
const toast = new Toast(find('toast'));
const live = new Live(transcript, (act, entry) => acts[act]?.(entry));
const filters = new Filters({ save: saveFilters, tryText: (text) => attempt(moderator.tryFilters(text), (tried) => filters.showTried(tried)) });
const queue = new Queue(
  { held: find('held'), heldCount: find('held-count'), reports: find('reports'), reportsCount: find('reports-count') },
  {
    decide: ({ id }, approve) => attempt(moderator.decide(id, approve), ({ approved }) => toast.show(t(approved ? 'console.approved' : 'console.refused'))).then(loadHeld),
    remove: ({ seq }) => attempt(moderator.retract(seq), () => toast.show(t('console.removed'))).then(loadReports),
    dismiss: ({ seq }) => attempt(moderator.dismiss(seq), () => toast.show(t('console.dismissed'))).then(loadReports),
    open: openUser,
    count: showWaiting,
  },
);
const log = new Log(find('log'), { undo: undoOf, nameOf });
const commentRate = new Sparkline(find('rate-chart'), find('rate'));
const posterCount = new Sparkline(find('posters-chart'), find('posters'));

let role = 'viewer';
/** @type {Record<string, unknown>} */
let settings = {};
/** The names that users posted under. @type {Map<string, string>} */
const names = new Map();
/** In this second. */
let comments = 0;
/** @type {Set<string>} */
let posters = new Set();

/** @param {string} user */
function nameOf(user) {
  return names.get(user) ?? user;
}

/**
 * Waits for a request, and says why it failed.
 * @template Result
 * @param {Promise<Result>} request
 * @param {(result: Result) => void} [done]
 * @returns {Promise<boolean>} whether it succeeded
 */
async function attempt(request, done = () => {}) {
  try {
    done(await request);
    return true;
  } catch (error) {
    const { code = '', message = '' } = /** @type {{code?: string, message?: string}} */ (error);
    toast.show(rejectionText({ code, message: code ? message : t('menu.failed') }));
    return false;
  }
}

/** What can be done with a comment. @type {Record<string, (entry: import('../connection/wire.js').CommentEntry) => void>} */
const acts = {
  remove: ({ seq }) => attempt(moderator.retract(seq), () => toast.show(t('console.removed'))),
  mute: ({ user }) => sanction({ user, kind: 'mute', minutes: MUTE_MINUTES }),
  ban: ({ user }) => sanction({ user, kind: 'ban' }),
  user: ({ user }) => openUser(user),
};

/** @param {import('../connection/moderator.js').NewSanction} wanted */
function sanction(wanted) {
  attempt(moderator.sanction(wanted), (made) => {
    toast.show(t(`console.log_sanction_${made.kind}`, { user: nameOf(made.user) }), () => attempt(moderator.lift(made.id)));
  });
}

/** @param {Sanction} one */
function lift(one) {
  const minutes = one.until === null ? {} : { minutes: Math.max(1, Math.round((one.until - Date.now()) / 60_000)) };
  attempt(moderator.lift(one.id), () => {
    const { user, kind, address, reason } = one;
    const again = () => attempt(moderator.sanction({ user, kind, address, reason, ...minutes }));
    toast.show(t(`console.log_lift_${one.kind}`, { user: nameOf(one.user) }), again);
  });
}

/** @param {string} user */
function openUser(user) {
  attempt(moderator.user(user), (found) => {
    showUserCard(find('user-card'), found, {
      mute: () => sanction({ user, kind: 'mute', minutes: MUTE_MINUTES }),
      shadow: () => sanction({ user, kind: 'shadow' }),
      ban: () => sanction({ user, kind: 'ban' }),
      clear: () => attempt(moderator.clearUser(user), () => toast.show(t('console.removed'))),
    });
    tabs.show('people');
  });
}

/** @param {Record<string, unknown>} patch */
function changeSettings(patch) {
  const before = settings;
  attempt(moderator.changeSettings(patch), ({ settings: after }) => {
    toast.show(t('console.log_settings'), () => undoSettings(before, after));
  }).then(() => showRules(settings, role === 'host'));
}

/** @param {object | null} shield the rules to put in force, {} for the usual ones; null for none */
function setShield(shield) {
  return shield ? moderator.raiseShield(shield) : moderator.lowerShield();
}

function toggleShield() {
  const before = settings.shield ?? null;
  attempt(setShield(before ? null : {}), () => {
    toast.show(t(before ? 'console.shield_lowered' : 'console.shield_raised'), () => attempt(setShield(before)));
  });
}

/** Undoes a change of settings. @param {Record<string, unknown>} before @param {Record<string, unknown>} after */
async function undoSettings(before, after) {
  const { shield, ...patch } = undoPatch(before, after);
  if (shield !== undefined) await attempt(setShield(/** @type {object | null} */ (shield)));
  if (Object.keys(patch).length) await attempt(moderator.changeSettings(patch));
}

/** @param {import('../connection/moderator.js').Filter[]} wanted */
function saveFilters(wanted) {
  const done = attempt(moderator.setFilters(wanted), ({ id, count }) => {
    filters.show(wanted);
    toast.show(t('console.log_filters', { count }), () => undoFilters(id));
  });
  done.then((isSaved) => isSaved || filters.markChanged());
}

/** @param {number} id the act to undo */
function undoFilters(id) {
  attempt(moderator.filters(id).then(({ filters: before }) => moderator.setFilters(before)), loadFilters);
}

function loadFilters() {
  if (role === 'host') attempt(moderator.filters(), (found) => filters.show(found.filters));
}

function loadSanctions() {
  const show = (/** @type {{sanctions: Sanction[]}} */ found) => showSanctions(find('sanctions'), found.sanctions, { lift, open: openUser, nameOf });
  return attempt(moderator.sanctions(), show);
}

const loadHeld = paced(() => attempt(moderator.held(), ({ held }) => queue.showHeld(held)));
const loadReports = paced(() => attempt(moderator.reports(), ({ reports }) => queue.showReports(reports)));

/** Returns a function that calls `load` at once, and while that or the pause after it lasts, once more afterwards. @param {() => Promise<unknown>} load */
function paced(load) {
  let isBusy = false;
  let isDue = false;
  return async function run() {
    isDue = true;
    if (isBusy) return;
    isBusy = true;
    while (isDue) {
      isDue = false;
      await load();
      await new Promise((resolve) => setTimeout(resolve, RELOAD_MS));
    }
    isBusy = false;
  };
}

/** @param {number} waiting how many comments wait for a moderator */
function showWaiting(waiting) {
  const count = waiting ? formatNumber(waiting) : '';
  find('queue-count').textContent = count;
  document.title = count ? `(${count}) ${TITLE}` : TITLE;
}

/** How to undo an act of the log; null for what cannot be undone. @param {Act} act @returns {(() => void) | null} */
function undoOf(act) {
  if (act.kind === 'sanction') return () => attempt(moderator.lift(act.id));
  if (role !== 'host') return null;
  if (act.kind === 'filters') return () => undoFilters(act.id);
  if (act.kind !== 'settings') return null;
  const { before, settings: after } = /** @type {{before: Record<string, unknown>, settings: Record<string, unknown>}} */ (/** @type {unknown} */ (act));
  return () => undoSettings(before, after);
}

/** @param {Entry[]} entries @param {boolean} isLive */
function applyEntries(entries, isLive) {
  for (const entry of entries) {
    const isRemoved = removedBy(entry);
    if (isRemoved) live.removeWhere(isRemoved);
    if (entry.kind !== 'comment') continue;
    live.add(entry);
    names.set(entry.user, entry.name);
    if (names.size > MAX_NAMES) names.delete(names.keys().next().value ?? '');
    if (!isLive) continue;
    comments += 1;
    posters.add(entry.user);
  }
}

/** Shows the console to moderators, and to others a field for a token. @param {string} now the viewer's role */
function setRole(now) {
  role = now;
  const isModerator = MODERATORS.has(role);
  find('sign-in').hidden = isModerator;
  find('work').hidden = !isModerator;
  for (const element of document.querySelectorAll('[data-host]')) /** @type {HTMLElement} */ (element).hidden = role !== 'host';
  showRules(settings, role === 'host');
  if (!isModerator) return;
  // Also after a reconnect: what happened in between was not sent.
  loadSanctions();
  loadFilters();
  loadHeld();
  loadReports();
  attempt(moderator.log(), (found) => log.add(found.log));
}

/**
 * @template Detail
 * @param {string} type
 * @param {(detail: Detail) => void} listener
 */
function on(type, listener) {
  connection.addEventListener(type, (event) => listener(/** @type {CustomEvent<Detail>} */ (event).detail));
}

on('welcome', () => {
  transcript.markLoaded();
  if (!connection.userToken) setRole('viewer');
});
on('identity', (/** @type {import('../connection/wire.js').Identity} */ identity) => {
  setRole(identity.role);
  if (connection.userToken && !MODERATORS.has(role)) find('sign-in-hint').textContent = t('console.not_moderator', { name: identity.name });
});
on('signedout', (/** @type {{code: string, message: string}} */ why) => {
  setRole('viewer');
  find('sign-in-hint').textContent = rejectionText(why);
});
on('settings', (/** @type {{settings: Record<string, unknown>}} */ changed) => {
  settings = changed.settings;
  find('room-title').textContent = String(settings.title || room);
  showRules(settings, role === 'host');
  find('shield').setAttribute('aria-pressed', String(Boolean(settings.shield)));
});
on('entries', (/** @type {{entries: Entry[], source: string}} */ { entries, source }) => applyEntries(entries, source === 'live'));
on('lost', (/** @type {{restarted: boolean}} */ { restarted }) => restarted && live.removeWhere(() => true));
on('staff', (/** @type {{entries: Act[]}} */ { entries }) => {
  log.add(entries);
  if (entries.some(({ kind }) => kind === 'sanction' || kind === 'lift')) loadSanctions();
  if (entries.some(({ kind }) => kind === 'filters')) loadFilters();
  if (entries.some(({ kind }) => OF_HELD.has(kind))) loadHeld();
  if (entries.some(({ kind }) => OF_REPORTS.has(kind))) loadReports();
});

/** @type {HTMLFormElement} */ (find('sign-in-form')).addEventListener('submit', (event) => {
  event.preventDefault();
  const field = /** @type {HTMLInputElement} */ (find('sign-in-token'));
  const pasted = field.value.trim(); // a token, or a link that has one
  find('sign-in-hint').textContent = '';
  if (pasted) connection.signIn(pasted.split('#token=').at(-1) ?? '');
  field.value = '';
});

setInterval(() => {
  commentRate.add(comments, formatNumber(comments));
  posterCount.add(posters.size, formatNumber(posters.size));
  comments = 0;
  posters = new Set();
}, 1000);

setInterval(() => queue.hasReports && loadReports(), REPORTS_MS);

const tabs = attachTabs(find('tabs'), find('work'));
followTheme(preferences);
showStatus(connection, scheduler);
onRuleChange(changeSettings);
find('shield').addEventListener('click', toggleShield);
setRole('viewer');
connection.start();
