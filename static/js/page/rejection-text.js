/** The sentence of a rejection in the page's language. */

import { hasText, t } from './i18n.js';

/** @param {{code: string, message: string}} rejection the server's sentence is for codes that the page does not know */
export function rejectionText({ code, message }) {
  return hasText(`reject.${code}`) ? t(`reject.${code}`) : message || t('reject.other');
}
