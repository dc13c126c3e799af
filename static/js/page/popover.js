/**
 * Positions popovers at their button. Opening, closing on Escape or an outside click and restoring the focus is done by the
 * browser's popover API; this module only finds a position inside the window, above or below the anchor.
 */

const GAP = 8;

/** @param {HTMLElement} popover @param {Element} anchor */
export function placePopover(popover, anchor) {
  const at = anchor.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = popover;
  const below = at.bottom + GAP;
  const above = at.top - GAP - height;
  const fits = below + height <= innerHeight - GAP;
  const top = fits || above < GAP ? Math.min(below, innerHeight - GAP - height) : above;
  const right = at.left + at.width / 2 > innerWidth / 2;
  const left = right ? at.right - width : at.left;
  popover.style.top = `${Math.max(GAP, top)}px`;
  popover.style.left = `${Math.max(GAP, Math.min(left, innerWidth - GAP - width))}px`;
}

/** Positions a popover at the button that opens it, whenever it opens and while the window is resized. @param {HTMLElement} popover @param {HTMLElement} button */
export function attachPopover(popover, button) {
  button.setAttribute('aria-haspopup', 'dialog');
  button.setAttribute('aria-expanded', 'false');
  const place = () => placePopover(popover, button);
  popover.addEventListener('toggle', (event) => {
    const open = /** @type {ToggleEvent} */ (event).newState === 'open';
    button.setAttribute('aria-expanded', String(open));
    if (!open) return removeEventListener('resize', place);
    place();
    addEventListener('resize', place);
  });
}
