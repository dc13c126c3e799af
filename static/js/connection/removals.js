/** Which comments an entry removes. Everything that shows comments asks this, so that none keeps what another has removed. */

/** @typedef {import('./wire.js').Entry} Entry */
/** @typedef {{seq: number, user?: string}} Removable  what is shown of a comment */

/**
 * A test for the comments that an entry removes, or null if it removes none.
 * @param {Entry} entry
 * @returns {((comment: Removable) => boolean) | null}
 */
export function removedBy(entry) {
  if (entry.kind === 'retract') return ({ seq }) => seq === entry.target;
  if (entry.kind === 'clear') return ({ seq }) => seq <= entry.before;
  if (entry.kind === 'clear_user') return ({ seq, user }) => seq <= entry.before && user === entry.user;
  return null;
}
