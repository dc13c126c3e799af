/**
 * How an overlay looks, as words in an address or on an element: `size=1.2&area=0.5&modes=scroll,top`. What is left out or
 * makes no sense is the default. Pure; it knows neither pages nor elements.
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
 * @property {string} modes      which of scroll, top and bottom, with commas
 * @property {boolean} merge
 * @property {boolean} names
 * @property {number} delay      seconds after a comment was said
 * @property {number} most       on screen at once; 0 is as many as fit
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

/** The least and the most of each number. @type {Record<string, [number, number]>} */
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

/** @param {string} name @param {string} word @param {string | number | boolean} usual */
function understand(name, word, usual) {
  if (typeof usual === 'boolean') return YES.has(word.toLowerCase()) || (!NO.has(word.toLowerCase()) && usual);
  if (typeof usual === 'number') {
    const [least, most] = BOUNDS[name];
    const value = word.trim() === '' ? NaN : Number(word);
    return Number.isFinite(value) ? Math.min(most, Math.max(least, value)) : usual;
  }
  if (name === 'motion') return MOTIONS.has(word) ? word : usual;
  if (name === 'font') return word.replace(/[^\p{L}\p{N} ,'"_-]/gu, '').slice(0, 200);
  return word;
}

/** @param {(name: string) => string | null} say the word for a name, or null @returns {Look} */
export function readLook(say) {
  const entries = Object.entries(DEFAULT_LOOK).map(([name, usual]) => {
    const word = say(name);
    return [name, word === null ? usual : understand(name, word, usual)];
  });
  return Object.fromEntries(entries);
}

/** The words that say this look, defaults left out. @param {Look} look @returns {URLSearchParams} */
export function writeLook(look) {
  const words = new URLSearchParams();
  for (const [name, usual] of Object.entries(DEFAULT_LOOK)) {
    const value = look[/** @type {keyof Look} */ (name)];
    if (value !== usual) words.set(name, typeof value === 'boolean' ? (value ? 'on' : 'off') : String(value));
  }
  return words;
}

/** The stage's settings for a look. @param {Look} look @param {number} [roomDelay] seconds @returns {Partial<StageSettings>} */
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
