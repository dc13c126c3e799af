/** The server that the page belongs to. The address of this module tells it, so pages work under any base path. */

/** Such as `https://example.org` or `https://example.org/danmaku`: without a slash at the end. */
export const SERVER = parseServer(new URL('../../..', import.meta.url).href);

/** The server at an address, which may end with a slash. @param {string} address absolute, or relative to the page */
export function parseServer(address) {
  const { origin, pathname } = new URL(address, location.href);
  return origin + pathname.replace(/\/+$/, '');
}
