/**
 * Which comments get a lane first when more arrive than the stage can show.
 *
 * The viewer's own comments come first, then those of staff, then equal texts merged into one with ×N, then the
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
 * @property {string} [role]        "host", "moderator" and "bot" get a badge
 */

/**
 * @typedef {object} Candidate a comment that is due and waits for a lane
 * @property {StageEntry} entry
 * @property {StageEntry[]} merged   the equal comments that were merged into it, newest first
 * @property {boolean} own
 * @property {number} readyAt    Unix milliseconds since when it could have been shown
 */

/** Milliseconds that a candidate waits for a lane. */
export const MAX_WAIT_MS = 1000;

const STAFF = new Set(['host', 'moderator', 'bot']);

/** How many comments a candidate stands for. @param {Candidate} candidate */
export function countOf({ merged }) {
  return merged.length + 1;
}

/** @param {Candidate} candidate */
function rank({ own, merged, entry }) {
  if (own) return 0;
  if (STAFF.has(entry.role ?? '')) return 1;
  return merged.length > 0 ? 2 : 3;
}

/** Whether a comment is the viewer's own, or one of staff. @param {Candidate} candidate */
export function hasPriority(candidate) {
  return rank(candidate) < 2;
}

/**
 * Merges comments of equal text, mode and size into the newest of them. Comments with priority are never merged.
 * @param {readonly Candidate[]} candidates
 * @returns {Candidate[]}
 */
export function mergeEqual(candidates) {
  /** @type {Map<string, Candidate[]>} */
  const groups = new Map();
  const alone = [];
  for (const candidate of candidates) {
    if (hasPriority(candidate)) {
      alone.push(candidate);
      continue;
    }
    const { mode = 'scroll', size = 'normal', text } = candidate.entry;
    const key = `${mode} ${size} ${text.trim().toLowerCase()}`;
    const group = groups.get(key);
    if (group) group.push(candidate);
    else groups.set(key, [candidate]);
  }
  return alone.concat([...groups.values()].map(mergeGroup));
}

/** @param {Candidate[]} group @returns {Candidate} */
function mergeGroup(group) {
  if (group.length === 1) return group[0];
  const [newest] = group.sort((one, other) => other.entry.seq - one.entry.seq);
  const [, ...merged] = group.flatMap(entriesOf).sort((one, other) => other.seq - one.seq);
  return { ...newest, merged };
}

/** @param {Candidate} candidate */
function entriesOf({ entry, merged }) {
  return [entry, ...merged];
}

/**
 * What is left of a candidate without the comments for which `test` is true: itself, if none of them is, or null.
 * @param {Candidate} candidate @param {(entry: StageEntry) => boolean} test
 * @returns {Candidate | null}
 */
export function withoutWhere(candidate, test) {
  const left = entriesOf(candidate).filter((entry) => !test(entry));
  if (left.length === countOf(candidate)) return candidate;
  const [entry, ...merged] = left;
  return entry ? { ...candidate, entry, merged } : null;
}

/** Highest priority first. @param {readonly Candidate[]} candidates */
export function sortByPriority(candidates) {
  return [...candidates].sort((one, other) => rank(one) - rank(other) || countOf(other) - countOf(one) || other.entry.seq - one.entry.seq);
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
  return candidates.reduce((sum, candidate) => sum + countOf(candidate), 0);
}
