/**
 * Stage geometry: the stage's settings, and the lengths and paths of comments that follow from them and from its size.
 *
 * Everything inside the stage is measured in stage pixels, of which a wide stage has 1080 from top to bottom; one scale on the
 * plane that contains the comments converts them to CSS pixels. A resize changes only that scale and the number of stage pixels
 * to the right, so comments that are moving keep their distances. Pure: no DOM, no clock.
 */

/** @typedef {import('./lanes.js').Path} Path */
/** @typedef {import('./lanes.js').Band} Band */

/**
 * @typedef {object} StageSettings
 * @property {number} opacity           0..1
 * @property {number} scale             size of the text, 1 is normal
 * @property {number} speed             1 crosses in 8 s, 2 in 4 s
 * @property {number} area              share of the height that is used: 0.25, 0.5, 0.75, 1
 * @property {number} density           0..1; lower leaves more space between comments
 * @property {{scroll: boolean, top: boolean, bottom: boolean}} modes   which modes are shown
 * @property {boolean} merge            when there is not enough space, equal texts become one with ×N
 * @property {number} delaySeconds      show a comment this long after its `at`
 * @property {number} maxOnScreen       0 is as many as fit
 * @property {string} font              a CSS font-family; empty is the page's
 * @property {'auto' | 'fly' | 'still'} motion   auto: still where the viewer's system asks for less motion
 * @property {boolean} names            put the name before the text
 * @property {number} reservedTopPx     CSS pixels kept free at the top
 * @property {number} reservedBottomPx  CSS pixels kept free at the bottom
 * @property {number} barPx             CSS pixels at the bottom that a bar covers which is hidden most of the time: kept free too, but
 *                                      at most an eighth of the height
 */

/** @type {Readonly<StageSettings>} */
export const DEFAULT_SETTINGS = Object.freeze({
  opacity: 1,
  scale: 1,
  speed: 1,
  area: 1,
  density: 1,
  modes: Object.freeze({ scroll: true, top: true, bottom: true }),
  merge: true,
  delaySeconds: 0,
  maxOnScreen: 0,
  font: '',
  motion: 'auto',
  names: false,
  reservedTopPx: 0,
  reservedBottomPx: 0,
  barPx: 0,
});

const FULL_HEIGHT = 1080;
const MIN_SCALE = 0.56; // 14 CSS pixels for a normal comment: smaller text cannot be read
const CROSSING_MS = 8000;
const FIXED_MS = 5000;
const LISTED_MS = 6000;
const TOP_MARGIN = 16; // half a lane
const MAX_BAR_SHARE = 1 / 8; // a small stage needs its height for comments
const SIDE_GAP = 20;
// A comment's speed is a multiple of the stage's width per crossing time, by its share of that width. Steps, so that comments of
// a step share one animation; still all cross in nearly the same time, and the longest ones can be read.
const SPEEDS = [
  { upTo: 0.08, factor: 1.04 },
  { upTo: 0.16, factor: 1.11 },
  { upTo: 0.28, factor: 1.2 },
  { upTo: Infinity, factor: 1.34 },
];
// A comment that would hold its lane longer than this many crossing times moves faster than the eye reads, in steps too.
const MAX_CROSSINGS = 2;
const FASTER = 1.25;
export const MAX_LISTED = 6;

/** Clamps a number; anything else leaves the old value. @param {unknown} value @param {number} low @param {number} high @param {number} before */
function clamp(value, low, high, before) {
  return typeof value === 'number' && Number.isFinite(value) ? Math.min(high, Math.max(low, value)) : before;
}

/**
 * Returns the settings with `change` applied; an invalid value leaves the old one.
 * @param {StageSettings} settings @param {Partial<StageSettings>} change
 * @returns {StageSettings}
 */
export function changeSettings(settings, change) {
  return {
    opacity: clamp(change.opacity, 0, 1, settings.opacity),
    scale: clamp(change.scale, 0.25, 4, settings.scale),
    speed: clamp(change.speed, 0.1, 10, settings.speed),
    area: clamp(change.area, 0.1, 1, settings.area),
    density: clamp(change.density, 0, 1, settings.density),
    modes: { ...settings.modes, ...change.modes },
    merge: change.merge ?? settings.merge,
    delaySeconds: clamp(change.delaySeconds, 0, 600, settings.delaySeconds),
    maxOnScreen: clamp(change.maxOnScreen, 0, 10_000, settings.maxOnScreen),
    font: change.font ?? settings.font,
    motion: change.motion ?? settings.motion,
    names: change.names ?? settings.names,
    reservedTopPx: clamp(change.reservedTopPx, 0, 4000, settings.reservedTopPx),
    reservedBottomPx: clamp(change.reservedBottomPx, 0, 4000, settings.reservedBottomPx),
    barPx: clamp(change.barPx, 0, 4000, settings.barPx),
  };
}

/**
 * @typedef {object} Geometry
 * @property {number} scale   CSS pixels in a stage pixel
 * @property {number} width   stage pixels
 * @property {number} height
 * @property {Band} upper     for scrolling and top comments
 * @property {Band} whole     for bottom comments
 */

/**
 * @param {number} widthPx @param {number} heightPx the stage in CSS pixels @param {StageSettings} settings
 * @returns {Geometry}
 */
export function computeGeometry(widthPx, heightPx, settings) {
  const scale = Math.max(MIN_SCALE, Math.min(widthPx, heightPx) / FULL_HEIGHT) * settings.scale;
  const height = heightPx / scale;
  const top = TOP_MARGIN + settings.reservedTopPx / scale;
  const bottom = height - (settings.reservedBottomPx + Math.min(settings.barPx, heightPx * MAX_BAR_SHARE)) / scale;
  return { scale, width: widthPx / scale, height, upper: { top, bottom: top + (bottom - top) * settings.area }, whole: { top, bottom } };
}

/** Whether a comment is narrow enough to be fixed; a wider one scrolls. @param {number} width @param {Geometry} geometry */
export function fitsFixed(width, geometry) {
  return width + 2 * SIDE_GAP <= geometry.width;
}

/** Stage pixels a millisecond. @param {number} width of the comment @param {number} stageWidth @param {number} crossing milliseconds */
function speedOf(width, stageWidth, crossing) {
  const step = SPEEDS.find(({ upTo }) => width <= upTo * stageWidth) ?? SPEEDS[SPEEDS.length - 1];
  const speed = (step.factor * stageWidth) / crossing;
  const slowest = (stageWidth + width) / (MAX_CROSSINGS * crossing);
  return speed * FASTER ** Math.max(0, Math.ceil(Math.log(slowest / speed) / Math.log(FASTER)));
}

/**
 * The path of a comment that starts at `now`; `delay` milliseconds later it enters the stage.
 * @param {{mode: 'scroll' | 'top' | 'bottom' | 'listed', width: number, height: number}} comment
 * @param {Geometry} geometry @param {StageSettings} settings @param {number} now @param {number} [delay]
 * @returns {Path}
 */
export function pathOf({ mode, width, height }, geometry, settings, now, delay = 0) {
  const gap = SIDE_GAP + (1 - settings.density) * geometry.width * 0.4;
  if (mode === 'listed') return { left: SIDE_GAP, width, height, speed: 0, from: now, until: now + LISTED_MS, gap };
  if (mode !== 'scroll') {
    return { left: (geometry.width - width) / 2, width, height, speed: 0, from: now, until: now + FIXED_MS, gap: SIDE_GAP };
  }
  const crossing = CROSSING_MS / settings.speed;
  const speed = speedOf(width, geometry.width, crossing);
  const left = geometry.width + speed * delay;
  return { left, width, height, speed, from: now, until: now + (left + width) / speed, gap };
}
