/**
 * One engine under one load: `?engine=stage` or `?engine=danmaku`, `rate` comments a second. The texts, their order
 * and their times are the same for both; comments arrive in batches every 40 ms, like the server's waves. `measure.py` takes
 * the measurements; this page only creates the load.
 */

const query = new URLSearchParams(location.search);
const rate = Number(query.get('rate') ?? 40);
const container = document.getElementById('stage');
const colors = ['#ffffff', '#ffffff', '#ffffff', '#ff6b81', '#6bc5ff', '#ffe14d', '#7bed9f'];
const texts = ['哈哈哈', '233333', '前方高能', '好听', 'lol', 'nice one', '666', '泪目', 'what a goal', 'gg', '第一次来', '太强了吧', 'wow', '来了来了', 'hello'];

let state = 1;
/** The same sequence for both engines (Lehmer's generator, modulus 2^31 - 1). */
function random() {
  state = (state * 48271) % 2147483647;
  return state / 2147483647;
}

let number = 0;
function nextComment() {
  number += 1;
  const text = `${texts[Math.floor(random() * texts.length)]}${number % 3 ? '' : number % 100}`;
  return { seq: number, user: `u${number % 200}`, text, at: Date.now(), color: colors[Math.floor(random() * colors.length)] };
}

async function startStage() {
  const [{ RenderScheduler }, { Stage }] = await Promise.all([import('/static/js/page/render-scheduler.js'), import('/static/js/stage/stage.js')]);
  container.dataset.role = 'stage';
  const stage = new Stage(container, { scheduler: new RenderScheduler(), settings: { merge: false } });
  stage.addEventListener('dropped', (event) => (window.dropped += event.detail.count));
  return (comment) => stage.add(comment);
}

async function startDanmaku() {
  const { default: Danmaku } = await import('/node_modules/danmaku/dist/esm/danmaku.dom.js');
  const danmaku = new Danmaku({ container, speed: container.clientWidth / 8 });
  const model = document.body.appendChild(document.createElement('div')); // the same style, so that both paint the same
  model.className = 'comment';
  const style = getComputedStyle(model);
  const look = { fontSize: style.fontSize, fontFamily: style.fontFamily, fontWeight: style.fontWeight, lineHeight: style.lineHeight, textShadow: style.textShadow };
  model.remove();
  return (comment) => danmaku.emit({ text: comment.text, mode: 'rtl', style: { ...look, color: comment.color } });
}

window.dropped = 0;
window.elements = () => (query.get('engine') === 'danmaku' ? [...container.firstElementChild.children] : [...container.querySelectorAll('[data-role=comment]')]);

const add = await (query.get('engine') === 'danmaku' ? startDanmaku() : startStage());
const started = performance.now();
let sent = 0;
setInterval(() => {
  for (const due = ((performance.now() - started) / 1000) * rate; sent < due; sent += 1) add(nextComment());
}, 40);
