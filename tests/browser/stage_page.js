/** A page with only a stage, for tests: `stage`, `scheduler`, functions that add comments, and one that watches for overlaps. */

import { RenderScheduler } from '/static/js/page/render-scheduler.js';
import { Stage } from '/static/js/stage/stage.js';

const scheduler = new RenderScheduler();
const stageElement = document.querySelector('[data-role=stage]');
const stage = new Stage(stageElement, { scheduler });
const words = ['哈哈哈', '前方高能', '233333', 'awesome play!', '好听', 'lol', '泪目', 'مرحبا بكم', '第一次看直播，好激动啊', '👨‍👩‍👧‍👦', 'W'];
let seq = 0;
let dropped = 0;
stage.addEventListener('dropped', (event) => (dropped += event.detail.count));

/** Adds a comment and returns its seq. */
function addComment(text, more = {}, options = {}) {
  seq += 1;
  stage.add({ seq, user: `u${seq % 9}`, name: `name ${seq % 9}`, text, at: Date.now(), ...more }, options);
  return seq;
}

const pick = (...values) => values[Math.floor(Math.random() * values.length)];

/** Adds a comment of random length, mode, size and role. */
function addRandomComment() {
  const text = Array.from({ length: 1 + Math.floor(Math.random() ** 4 * 14) }, () => pick(...words)).join(' ');
  const mode = Math.random() < 0.85 ? 'scroll' : pick('top', 'bottom');
  const role = Math.random() < 0.9 ? undefined : pick('host', 'moderator');
  const size = pick('normal', 'normal', 'small', 'large');
  return addComment(text, { mode, size, role, color: pick('#ffffff', '#000000', '#ff0055') }, { own: Math.random() < 0.05 });
}

/** Adds random comments, `rate` a second; returns a function that stops it. */
function startChatter(rate) {
  const started = performance.now();
  let added = 0;
  const timer = setInterval(() => {
    for (; added < ((performance.now() - started) / 1000) * rate; added += 1) addRandomComment();
  }, 40);
  return () => clearInterval(timer);
}

const comments = () => [...document.querySelectorAll('[data-role=stage] [data-role=comment]')];
const boxes = () =>
  comments().map((element) => {
    const { left, top, right, bottom } = element.getBoundingClientRect();
    return { seq: Number(element.dataset.seq), text: element.textContent, left, top, right, bottom };
  });

let written = 0;
const recordWrite = () => (written = performance.now());
new MutationObserver(recordWrite).observe(stageElement, { childList: true, attributes: true, subtree: true });

/** Waits for a frame whose animations are later than the last DOM change: before, their positions do not fit each other. */
async function frame() {
  do await new Promise(requestAnimationFrame);
  while (document.timeline.currentTime < written);
}

/** Waits for `count` passes in which the stage could write, and then for a frame. */
async function passes(count) {
  for (let pass = 0; pass < count; pass += 1) await new Promise((resolve) => scheduler.request(resolve));
  await frame();
}

/** Pairs of comments that share more than half a pixel both ways where they can be seen. */
async function overlaps() {
  await frame();
  const all = boxes().map((box) => ({ ...box, left: Math.max(box.left, 0), right: Math.min(box.right, innerWidth) }));
  return all.flatMap((one, index) =>
    all
      .slice(0, index)
      .filter((two) => Math.min(one.right, two.right) - Math.max(one.left, two.left) > 0.5)
      .filter((two) => Math.min(one.bottom, two.bottom) - Math.max(one.top, two.top) > 0.5)
      .map((two) => ({ width: innerWidth, height: innerHeight, one, two })),
  );
}

/** Samples overlaps every 100 ms while the page is open; returns the record that it updates. */
function watch() {
  const seen = { samples: 0, overlaps: [] };
  const look = async () => {
    seen.overlaps.push(...(await overlaps()));
    seen.samples += 1;
    setTimeout(look, 100);
  };
  look();
  return seen;
}

Object.assign(window, { stage, scheduler, addComment, startChatter, watch, passes, boxes, overlaps, comments, getDropped: () => dropped, ready: true });
