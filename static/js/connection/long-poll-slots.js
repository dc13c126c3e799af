/**
 * How many tabs of a browser may wait in a long poll of one server. Over HTTP/1.1 a browser opens six connections to a server, for
 * all its tabs: polls that took them all would make posts and pages wait. The slots are Web Locks, which end with their tab.
 */

const SLOTS = 3;

/**
 * Takes a slot. Returns the function that gives it back; null when there is none, or no Web Locks (on a page without HTTPS).
 * @param {string} server its address
 * @returns {Promise<(() => void) | null>}
 */
export async function takeSlot(server) {
  for (let number = 0; globalThis.navigator?.locks && number < SLOTS; number += 1) {
    const release = await take(`danmaku long poll ${number} ${server}`);
    if (release) return release;
  }
  return null;
}

/** @param {string} name @returns {Promise<(() => void) | null>} */
function take(name) {
  return new Promise((resolve) => {
    /** @param {Lock | null} lock */
    const hold = (lock) => (lock ? /** @type {Promise<void>} */ (new Promise((release) => resolve(() => release()))) : resolve(null));
    navigator.locks.request(name, { ifAvailable: true }, hold).catch(() => resolve(null)); // a sandboxed frame may not
  });
}
