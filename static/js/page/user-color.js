/** A hue for each user, computed from the user's id, so that it is the same on every page. */

const HUES = 12;

/** @param {string} user @returns {number} 0..11, the `data-hue` of transcript.css */
export function hueOf(user) {
  let hash = 0x811c9dc5; // FNV-1a, 32 bit
  for (let i = 0; i < user.length; i += 1) hash = Math.imul(hash ^ user.charCodeAt(i), 0x01000193);
  return (hash >>> 0) % HUES;
}
