/** Composes an overlay's address: every choice shows at once on a stage of OBS's size, with comments made up for it. */

import { Beat } from '../page/render-scheduler.js';
import { find } from '../page/dom.js';
import { formatNumber, t } from '../page/i18n.js';
import { DEFAULT_LOOK, readLook, stageSettings, writeLook } from './look.js';
import { Stage } from '../stage/stage.js';

const SCREEN_WIDTH = 1920;
const EVERY_MS = 280;
const SAMPLES = 8;
const COLORS = ['#ffffff', '#ffffff', '#ffffff', '#ffd54a', '#7fd4ff', '#ff8fa3'];

const room = document.body.dataset.room ?? '';
const form = /** @type {HTMLFormElement} */ (find('look'));
const address = /** @type {HTMLInputElement} */ (find('address'));
const open = /** @type {HTMLAnchorElement} */ (find('open'));
const stage = new Stage(find('stage'), { beat: new Beat() });

const asked = new URLSearchParams(location.search);
let look = readLook((name) => asked.get(name));

/** The form as it stands. */
function lookOfForm() {
  const data = new FormData(form);
  return readLook((name) => {
    if (name === 'modes') return data.getAll('modes').join(',');
    if (name === 'names' || name === 'merge') return data.has(name) ? 'on' : 'off';
    return /** @type {string | null} */ (data.get(name));
  });
}

function fillForm() {
  const modes = look.modes.split(',');
  for (const input of form.elements) {
    if (!(input instanceof HTMLInputElement)) continue;
    const value = look[/** @type {keyof typeof look} */ (input.name)];
    if (input.name === 'modes') input.checked = modes.includes(input.value);
    else if (input.type === 'checkbox') input.checked = value === true;
    else if (input.type === 'radio') input.checked = Number(input.value) === value;
    else input.value = String(value);
  }
}

function show() {
  const words = String(writeLook(look));
  const url = new URL(`/r/${room}/overlay${words && `?${words}`}`, location.origin);
  address.value = open.href = url.href;
  find('copied').textContent = '';
  for (const output of form.querySelectorAll('output')) {
    const input = /** @type {HTMLInputElement} */ (output.previousElementSibling?.parentElement?.querySelector('input'));
    output.textContent = `${formatNumber(Math.round(Number(input.value) * 100))} %`;
  }
  stage.configure({ ...stageSettings(look), delaySeconds: 0 });
}

/** The preview is a whole screen, made small. */
function fit() {
  find('screen').style.scale = String(find('preview').clientWidth / SCREEN_WIDTH);
}

let seq = 0;
function say() {
  setTimeout(say, EVERY_MS * (0.4 + 1.2 * Math.random()));
  if (document.hidden) return;
  seq += 1;
  const pick = 1 + Math.floor(Math.random() * SAMPLES);
  const mode = seq % 13 === 5 ? 'top' : seq % 17 === 9 ? 'bottom' : 'scroll';
  const color = COLORS[seq % COLORS.length];
  stage.add({ seq, name: t('overlay.sample_name'), text: t(`overlay.sample_${pick}`), mode, color, size: seq % 11 === 3 ? 'large' : 'normal', role: seq % 15 === 7 ? 'moderator' : undefined });
}

form.addEventListener('input', () => {
  look = lookOfForm();
  show();
});
form.addEventListener('reset', (event) => {
  event.preventDefault();
  look = { ...DEFAULT_LOOK };
  fillForm();
  show();
});
form.addEventListener('submit', (event) => event.preventDefault());
find('copy').addEventListener('click', async () => {
  address.select();
  try {
    await navigator.clipboard.writeText(address.value);
  } catch {
    document.execCommand('copy'); // an address without TLS has no clipboard; the selection does
  }
  find('copied').textContent = t('overlay.copied');
});

new ResizeObserver(fit).observe(find('preview'));
fillForm();
show();
say();
