/**
 * Lets OBS's own style into a page that is under Trusted Types.
 *
 * OBS, in its older versions, sets the style's text by `innerHTML`. Text that begins no tag makes no
 * element, whatever takes it; everything else is refused as it is on the other pages.
 */

const BEGINS_TAG = /<[a-z!/?]/i;

/** @typedef {{createPolicy: (name: string, rules: {createHTML: (text: string) => string | null}) => void}} TypesFactory */

/** Call once, before OBS has loaded the page. */
export function allowOutsideStyle() {
  const { trustedTypes } = /** @type {{trustedTypes?: TypesFactory}} */ (window);
  trustedTypes?.createPolicy('default', {
    createHTML: (text) => (BEGINS_TAG.test(text) ? null : text),
  });
}
