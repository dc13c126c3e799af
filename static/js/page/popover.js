/**
 * Places the small cards that open at their button. Opening, closing on Escape or an outside click and giving the focus back
 * is the browser's own popover; this only finds the card a place inside the window, above or below what it belongs to.
 */

const GAP = 8;

/** @param {HTMLElement} card a popover @param {Element} anchor what it opens at */
export function placeCard(card, anchor) {
  const at = anchor.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = card;
  const below = at.bottom + GAP;
  const above = at.top - GAP - height;
  const fits = below + height <= innerHeight - GAP;
  const top = fits || above < GAP ? Math.min(below, innerHeight - GAP - height) : above;
  const right = at.left + at.width / 2 > innerWidth / 2;
  const left = right ? at.right - width : at.left;
  card.style.top = `${Math.max(GAP, top)}px`;
  card.style.left = `${Math.max(GAP, Math.min(left, innerWidth - GAP - width))}px`;
}

/** Keeps a card at the button that opens it. @param {HTMLElement} card @param {HTMLElement} button */
export function attachCard(card, button) {
  button.setAttribute('aria-haspopup', 'dialog');
  button.setAttribute('aria-expanded', 'false');
  const place = () => placeCard(card, button);
  card.addEventListener('toggle', (event) => {
    const open = /** @type {ToggleEvent} */ (event).newState === 'open';
    button.setAttribute('aria-expanded', String(open));
    if (!open) return removeEventListener('resize', place);
    place();
    addEventListener('resize', place);
  });
}
