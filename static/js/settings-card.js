/** The viewer's settings, in one card, applied at once; and what they come to for the stage. */

import { makeAppearanceFields } from './appearance.js';
import { find, make } from './elements.js';
import { t } from './i18n.js';

/** @typedef {import('./preferences.js').Preferences} Preferences */

const BAR_PX = 56;

/**
 * What the stage is told: the viewer's choices, and the room's delay under the viewer's own.
 * @param {Preferences} preferences
 * @param {import('./wire.js').RoomSettings} room
 * @returns {Partial<import('./stage.js').StageSettings>}
 */
export function stageSettings({ values }, room) {
  const { opacity, scale, speed, area, density, merge, scroll, top, bottom } = values;
  return {
    opacity, scale, speed, area, density, merge,
    modes: { scroll, top, bottom },
    delaySeconds: (room.delay ?? 0) + values.delaySeconds,
    reservedBottomPx: BAR_PX,
  };
}

/** @param {HTMLElement} card @param {Preferences} preferences */
export function fillSettingsCard(card, preferences) {
  const reset = make('button', { type: 'button', class: 'button' }, t('settings.reset'));
  reset.addEventListener('click', () => preferences.reset());
  find('settings', card).append(...makeAppearanceFields(preferences), reset);
}
