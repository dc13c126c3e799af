/**
 * Allows the custom CSS of OBS on a page that enforces Trusted Types.
 *
 * Older versions of OBS set it by `innerHTML` of a style element. A text without the start of a tag cannot create an element,
 * so it is allowed; any other is rejected as on the other pages.
 */

const TAG_START = /<[a-z!/?]/i;

/** @typedef {{createPolicy: (name: string, rules: {createHTML: (text: string) => string | null}) => void}} TypesFactory */

/** Call it once, before the page has loaded: OBS sets the style then. */
export function allowObsStyle() {
  const { trustedTypes } = /** @type {{trustedTypes?: TypesFactory}} */ (window);
  trustedTypes?.createPolicy('default', {
    createHTML: (text) => (TAG_START.test(text) ? null : text),
  });
}
