/**
 * Keeps an absolutely positioned element exactly over a video: its place, its size, and how it is scaled and turned, whatever
 * transforms, zooms, scrolls or moves it. It also follows a video that is added later or replaced.
 *
 * No event tells that a transform moved a video, so it looks five times a second, which only reads, and once per frame while
 * something moves. Perspective is not followed.
 */

const LOOK_EVERY_MS = 200;
const STILL_FRAMES = 15; // after so many frames without a change it looks less often again
const TOLERANCE_PX = 0.25;
/** Events after which a video often moves. */
const MOVES = ['scroll', 'resize', 'transitionrun', 'animationstart', 'fullscreenchange'];

/** @typedef {{a: number, b: number, c: number, d: number}} Linear the part of a transform without its translation */

/** @param {Element} element @returns {Element | null} its parent in the flat tree */
function parentOf(element) {
  const root = element.getRootNode();
  return element.assignedSlot ?? element.parentElement ?? (root instanceof ShadowRoot ? root.host : null);
}

/** How the transforms of an element and its ancestors scale and turn its box on the screen. @param {Element | null} element */
function linearOf(element) {
  const zoom = /** @type {{currentCSSZoom?: number} | null} */ (element)?.currentCSSZoom ?? 1;
  let linear = new DOMMatrix([zoom, 0, 0, zoom, 0, 0]);
  for (let at = element; at; at = parentOf(at)) {
    const { transform, rotate, scale } = getComputedStyle(at);
    const own = new DOMMatrix();
    if (rotate && rotate !== 'none') own.multiplySelf(new DOMMatrix(`rotate(${rotate.split(' ').at(-1)})`));
    if (scale && scale !== 'none') own.multiplySelf(new DOMMatrix(`scale(${scale.split(' ').slice(0, 2).join(', ')})`));
    linear = own.multiply(new DOMMatrix(transform)).multiply(linear);
  }
  const { a, b, c, d } = linear;
  return new DOMMatrix([a, b, c, d, 0, 0]);
}

/** The size of an element before its transforms, from the rectangle that it takes on the screen. @param {HTMLElement} element @param {DOMRect} rect @param {Linear} linear */
function sizeBefore(element, rect, linear) {
  const [a, b, c, d] = [linear.a, linear.b, linear.c, linear.d].map(Math.abs);
  const determinant = a * d - b * c;
  // Turned by about 45° the rectangle does not tell width from height; the layout's are whole pixels.
  if (Math.abs(determinant) < 0.1 * (a * d + b * c)) return { width: element.offsetWidth, height: element.offsetHeight };
  return { width: (d * rect.width - c * rect.height) / determinant, height: (a * rect.height - b * rect.width) / determinant };
}

/** @param {DOMRect} rect */
function centreOf({ left, top, width, height }) {
  return new DOMPoint(left + width / 2, top + height / 2);
}

/** @param {DOMRect} one @param {DOMRect} other */
function isSame(one, other) {
  return (/** @type {const} */ (['left', 'top', 'width', 'height'])).every((side) => Math.abs(one[side] - other[side]) <= TOLERANCE_PX);
}

export class VideoCover {
  #element;
  #find;
  #onVideo;
  /** @type {HTMLVideoElement | null} */
  #video = null;
  #left = 0;
  #top = 0;
  #transform = '';
  /** The rectangles of the video and of the element after the last change. @type {[DOMRect, DOMRect] | null} */
  #rects = null;
  #framesLeft = 0;
  #sizes = new ResizeObserver(() => this.#look());
  #look = () => {
    if (this.#update()) this.#followFrames();
  };

  /**
   * @param {HTMLElement} element
   * @param {() => HTMLVideoElement | null} find the video, if it is there
   * @param {(video: HTMLVideoElement | null) => void} onVideo called when it is another one, or is gone
   * @param {AbortSignal} signal ends it
   */
  constructor(element, find, onVideo, signal) {
    this.#element = element;
    this.#find = find;
    this.#onVideo = onVideo;
    const timer = setInterval(this.#look, LOOK_EVERY_MS);
    for (const type of MOVES) addEventListener(type, this.#look, { signal, capture: true, passive: true });
    signal.addEventListener('abort', () => {
      clearInterval(timer);
      this.#framesLeft = 0;
      this.#sizes.disconnect();
    });
    this.#look();
  }

  /** Covers the video where it is now; returns whether that was a change. */
  #update() {
    const video = this.#find();
    if (video !== this.#video) {
      this.#video = video;
      this.#sizes.disconnect();
      if (video) this.#sizes.observe(video);
      this.#onVideo(video);
    }
    return video !== null && this.#cover(video);
  }

  /** @param {HTMLVideoElement} video */
  #cover(video) {
    const element = this.#element;
    const rect = video.getBoundingClientRect();
    const wanted = linearOf(video);
    const parent = linearOf(parentOf(element)).inverse();
    if (Number.isNaN(parent.a)) return false; // scaled to nothing: not seen
    const { a, b, c, d } = parent.multiply(wanted);
    const isPlain = [a - 1, b, c, d - 1].every((part) => Math.abs(part) < 1e-4);
    const transform = isPlain ? 'none' : `matrix(${[a, b, c, d].map((part) => part.toFixed(6)).join(', ')}, 0, 0)`;
    const before = element.getBoundingClientRect();
    if (transform === this.#transform && this.#rects && isSame(this.#rects[0], rect) && isSame(this.#rects[1], before)) return false;
    this.#transform = transform;
    const { width, height } = sizeBefore(video, rect, wanted);
    Object.assign(element.style, { transform, width: `${width}px`, height: `${height}px`, left: `${this.#left}px`, top: `${this.#top}px` });
    const [from, to] = [centreOf(element.getBoundingClientRect()), centreOf(rect)];
    const move = parent.transformPoint(new DOMPoint(to.x - from.x, to.y - from.y));
    this.#left += move.x;
    this.#top += move.y;
    Object.assign(element.style, { left: `${this.#left}px`, top: `${this.#top}px` });
    this.#rects = [rect, element.getBoundingClientRect()];
    return true;
  }

  #followFrames() {
    const running = this.#framesLeft > 0;
    this.#framesLeft = STILL_FRAMES;
    if (running) return;
    const frame = () => {
      if (this.#framesLeft <= 0) return;
      this.#framesLeft = this.#update() ? STILL_FRAMES : this.#framesLeft - 1;
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }
}
