/**
 * Policy: who flies when more is said than the stage can hold.
 *
 * A viewer's own comments first, then hosts and moderators, then equal texts made one with ×N, then the newest. What has
 * waited longer than its patience does not fly at all: a late comment is worse than none, and the transcript has it anyway.
 * Pure: no DOM, no clock; it decides an order and does not know lanes.
 */

/**
 * @typedef {object} StageEntry a comment as it is on the wire
 * @property {number} seq
 * @property {string} [user]
 * @property {string} [name]
 * @property {string} text
 * @property {number} [at]          Unix milliseconds, the server's clock; missing means now
 * @property {'scroll' | 'top' | 'bottom'} [mode]
 * @property {string} [color]       "#rrggbb"
 * @property {'small' | 'normal' | 'large'} [size]
 * @property {string} [role]        "host" and "moderator" get a badge
 */

/**
 * @typedef {object} Offer a comment that wants to fly
 * @property {StageEntry} entry
 * @property {boolean} own
 * @property {number} count      how many equal comments it stands for
 * @property {number} readyAt    milliseconds; since when it could have flown
 */

/** Milliseconds an offer waits for a lane. */
export const PATIENCE_MS = 1000;

const STAFF = new Set(['host', 'moderator']);

/** @param {Offer} offer */
function rank(offer) {
  if (offer.own) return 0;
  if (isStaff(offer)) return 1;
  return offer.count > 1 ? 2 : 3;
}

/** @param {Offer} offer */
export function isStaff(offer) {
  return STAFF.has(offer.entry.role ?? '');
}

/** Own comments and those of hosts and moderators. @param {Offer} offer */
export function goesFirst(offer) {
  return rank(offer) < 2;
}

/**
 * Equal texts become one offer, the newest, with their number; own ones and those of hosts and moderators stay themselves.
 * @param {readonly Offer[]} offers
 * @returns {Offer[]}
 */
export function mergeEqual(offers) {
  /** @type {Map<string, Offer>} */
  const groups = new Map();
  const merged = [];
  for (const offer of offers) {
    if (goesFirst(offer)) {
      merged.push(offer);
      continue;
    }
    const key = `${offer.entry.mode ?? 'scroll'} ${offer.entry.text.trim().toLowerCase()}`;
    const group = groups.get(key);
    if (!group) groups.set(key, offer);
    else {
      const newest = group.entry.seq > offer.entry.seq ? group : offer;
      groups.set(key, { ...newest, count: group.count + offer.count });
    }
  }
  return merged.concat([...groups.values()]);
}

/** First to fly first. @param {readonly Offer[]} offers */
export function inOrder(offers) {
  return [...offers].sort((one, other) => rank(one) - rank(other) || other.count - one.count || other.entry.seq - one.entry.seq);
}

/**
 * Parts those still worth showing from those that have waited too long.
 * @param {readonly Offer[]} offers @param {number} now
 */
export function partByPatience(offers, now) {
  /** @type {Offer[]} */
  const waiting = [];
  /** @type {Offer[]} */
  const late = [];
  for (const offer of offers) (now - offer.readyAt > PATIENCE_MS ? late : waiting).push(offer);
  return { waiting, late };
}

/** How many comments these offers stand for. @param {readonly Offer[]} offers */
export function countComments(offers) {
  return offers.reduce((sum, offer) => sum + offer.count, 0);
}
