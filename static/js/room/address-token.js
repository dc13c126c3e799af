/** A user's token in the address of the page, as `#token=…`: links for hosts and moderators have it. */

/** Takes the token out of the address, so that nobody reads or copies it there, and returns it; '' without one. */
export function takeTokenFromAddress() {
  const token = new URLSearchParams(location.hash.slice(1)).get('token') ?? '';
  if (token) history.replaceState(history.state, '', location.pathname + location.search);
  return token;
}
