/** How a user is told apart at a glance: a hue that follows from the user alone, the same on every screen. */

const HUES = 12;

/** @param {string} user @returns {number} 0..11, as transcript.css names them */
export function hueOf(user) {
  let hash = 0x811c9dc5; // FNV-1a, 32 bit
  for (let i = 0; i < user.length; i += 1) hash = Math.imul(hash ^ user.charCodeAt(i), 0x01000193);
  return (hash >>> 0) % HUES;
}
