/**
 * The look of an overlay, as query parameters or attributes: `size=1.2&area=0.5&modes=scroll,top`. A value that is missing or
 * invalid is replaced by the default. Pure: no DOM.
 */

/** @typedef {import('../stage/geometry.js').StageSettings} StageSettings */

/**
 * @typedef {object} Look
 * @property {string} font
 * @property {number} size       times the normal size
 * @property {number} speed      times the normal speed
 * @property {number} area       share of the height
 * @property {number} opacity
 * @property {number} density
 * @property {string} modes      of scroll, top and bottom, separated by commas
 * @property {boolean} merge
 * @property {boolean} names
 * @property {number} delay      seconds from a comment's `at` until it is shown
 * @property {number} most       maximum on screen; 0 is as many as fit
 * @property {'auto' | 'fly' | 'still'} motion
 */

/** @type {Readonly<Look>} */
export const DEFAULT_LOOK = Object.freeze({
  font: '',
  size: 1,
  speed: 1,
  area: 1,
  opacity: 1,
  density: 1,
  modes: 'scroll,top,bottom',
  merge: true,
  names: false,
  delay: 0,
  most: 0,
  motion: 'auto',
});

/** The minimum and maximum of each number. @type {Record<string, [number, number]>} */
const BOUNDS = {
  size: [0.25, 4],
  speed: [0.1, 10],
  area: [0.1, 1],
  opacity: [0, 1],
  density: [0, 1],
  delay: [0, 600],
  most: [0, 1000],
};

const YES = new Set(['', '1', 'on', 'true', 'yes']);
const NO = new Set(['0', 'off', 'false', 'no']);
const MOTIONS = new Set(['auto', 'fly', 'still']);

/** @param {string} name @param {string} text @param {string | number | boolean} fallback */
function validate(name, text, fallback) {
  if (typeof fallback === 'boolean') return YES.has(text.toLowerCase()) || (!NO.has(text.toLowerCase()) && fallback);
  if (typeof fallback === 'number') {
    const [min, max] = BOUNDS[name];
    const value = text.trim() === '' ? NaN : Number(text);
    return Number.isFinite(value) ? Math.min(max, Math.max(min, value)) : fallback;
  }
  if (name === 'motion') return MOTIONS.has(text) ? text : fallback;
  if (name === 'font') return text.replace(/[^\p{L}\p{N} ,'"_-]/gu, '').slice(0, 200);
  return text;
}

/** @param {(name: string) => string | null} get the value of a parameter, or null @returns {Look} */
export function readLook(get) {
  const entries = Object.entries(DEFAULT_LOOK).map(([name, fallback]) => {
    const text = get(name);
    return [name, text === null ? fallback : validate(name, text, fallback)];
  });
  return Object.fromEntries(entries);
}

/** The query parameters of a look, without defaults. @param {Look} look @returns {URLSearchParams} */
export function writeLook(look) {
  const parameters = new URLSearchParams();
  for (const [name, fallback] of Object.entries(DEFAULT_LOOK)) {
    const value = look[/** @type {keyof Look} */ (name)];
    if (value !== fallback) parameters.set(name, typeof value === 'boolean' ? (value ? 'on' : 'off') : String(value));
  }
  return parameters;
}

/** Converts a look to the stage's settings. @param {Look} look @param {number} [roomDelay] seconds @returns {Partial<StageSettings>} */
export function stageSettings(look, roomDelay = 0) {
  const { font, size, speed, area, opacity, density, merge, names, delay, most, motion } = look;
  const modes = look.modes.split(',').map((mode) => mode.trim());
  return {
    font, speed, area, opacity, density, merge, names, motion,
    scale: size,
    modes: { scroll: modes.includes('scroll'), top: modes.includes('top'), bottom: modes.includes('bottom') },
    delaySeconds: roomDelay + delay,
    maxOnScreen: most,
  };
}
