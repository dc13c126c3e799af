/**
 * Which comments get a lane first when more arrive than the stage can show.
 *
 * The viewer's own comments come first, then those of hosts and moderators, then equal texts merged into one with ×N, then the
 * newest. A comment that has waited longer than `MAX_WAIT_MS` is not shown at all: the transcript has it, and shown late it
 * would no longer fit the picture. Pure: no DOM, no clock. It decides the order and knows nothing of lanes.
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
 * @typedef {object} Candidate a comment that is due and waits for a lane
 * @property {StageEntry} entry
 * @property {boolean} own
 * @property {number} count      how many equal comments were merged into it
 * @property {number} readyAt    Unix milliseconds since when it could have been shown
 */

/** Milliseconds that a candidate waits for a lane. */
export const MAX_WAIT_MS = 1000;

const STAFF = new Set(['host', 'moderator']);

/** @param {Candidate} candidate */
function rank({ own, count, entry }) {
  if (own) return 0;
  if (STAFF.has(entry.role ?? '')) return 1;
  return count > 1 ? 2 : 3;
}

/** Whether a comment is the viewer's own, or a host's or moderator's. @param {Candidate} candidate */
export function hasPriority(candidate) {
  return rank(candidate) < 2;
}

/**
 * Merges equal texts into the newest of them, with their count. Comments with priority are never merged.
 * @param {readonly Candidate[]} candidates
 * @returns {Candidate[]}
 */
export function mergeEqual(candidates) {
  /** @type {Map<string, Candidate>} */
  const groups = new Map();
  const merged = [];
  for (const candidate of candidates) {
    if (hasPriority(candidate)) {
      merged.push(candidate);
      continue;
    }
    const key = `${candidate.entry.mode ?? 'scroll'} ${candidate.entry.text.trim().toLowerCase()}`;
    const group = groups.get(key);
    if (!group) groups.set(key, candidate);
    else {
      const newest = group.entry.seq > candidate.entry.seq ? group : candidate;
      groups.set(key, { ...newest, count: group.count + candidate.count });
    }
  }
  return merged.concat([...groups.values()]);
}

/** Highest priority first. @param {readonly Candidate[]} candidates */
export function sortByPriority(candidates) {
  return [...candidates].sort((one, other) => rank(one) - rank(other) || other.count - one.count || other.entry.seq - one.entry.seq);
}

/**
 * Separates the candidates that may still be shown from those that have waited too long.
 * @param {readonly Candidate[]} candidates @param {number} now
 */
export function splitExpired(candidates, now) {
  /** @type {Candidate[]} */
  const waiting = [];
  /** @type {Candidate[]} */
  const expired = [];
  for (const candidate of candidates) (now - candidate.readyAt > MAX_WAIT_MS ? expired : waiting).push(candidate);
  return { waiting, expired };
}

/** The number of comments, merged ones included. @param {readonly Candidate[]} candidates */
export function countComments(candidates) {
  return candidates.reduce((sum, candidate) => sum + candidate.count, 0);
}
