/** The page that composes an overlay's address, with a preview at the size of an OBS scene that shows sample comments. */

import { RenderScheduler } from '../page/render-scheduler.js';
import { find } from '../page/dom.js';
import { formatNumber, t } from '../page/i18n.js';
import { SERVER } from '../page/server.js';
import { DEFAULT_LOOK, readLook, stageSettings, writeLook } from './look.js';
import { Stage } from '../stage/stage.js';

const SCREEN_WIDTH = 1920;
const SAMPLE_EVERY_MS = 280;
const SAMPLE_COUNT = 8;
const COLORS = ['#ffffff', '#ffffff', '#ffffff', '#ffd54a', '#7fd4ff', '#ff8fa3'];

const room = document.body.dataset.room ?? '';
const form = /** @type {HTMLFormElement} */ (find('look'));
const address = /** @type {HTMLInputElement} */ (find('address'));
const open = /** @type {HTMLAnchorElement} */ (find('open'));
const stage = new Stage(find('stage'), { scheduler: new RenderScheduler() });

const parameters = new URLSearchParams(location.search);
let look = readLook((name) => parameters.get(name));

/** The look that the form shows. */
function readForm() {
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
  const query = String(writeLook(look));
  address.value = open.href = `${SERVER}/r/${room}/overlay${query && `?${query}`}`;
  find('copied').textContent = '';
  for (const output of form.querySelectorAll('output')) {
    const input = /** @type {HTMLInputElement} */ (output.previousElementSibling?.parentElement?.querySelector('input'));
    output.textContent = `${formatNumber(Math.round(Number(input.value) * 100))} %`;
  }
  stage.configure({ ...stageSettings(look), delaySeconds: 0 });
}

/** Scales the preview, which is laid out at full size, to its box. */
function scalePreview() {
  find('screen').style.scale = String(find('preview').clientWidth / SCREEN_WIDTH);
}

let seq = 0;
function addSample() {
  setTimeout(addSample, SAMPLE_EVERY_MS * (0.4 + 1.2 * Math.random()));
  if (document.hidden) return;
  seq += 1;
  const pick = 1 + Math.floor(Math.random() * SAMPLE_COUNT);
  const mode = seq % 13 === 5 ? 'top' : seq % 17 === 9 ? 'bottom' : 'scroll';
  const color = COLORS[seq % COLORS.length];
  stage.add({ seq, name: t('overlay.sample_name'), text: t(`overlay.sample_${pick}`), mode, color, size: seq % 11 === 3 ? 'large' : 'normal', role: seq % 15 === 7 ? 'moderator' : undefined });
}

form.addEventListener('input', () => {
  look = readForm();
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
    document.execCommand('copy'); // without TLS there is no clipboard API
  }
  find('copied').textContent = t('overlay.copied');
});

new ResizeObserver(scalePreview).observe(find('preview'));
fillForm();
show();
addSample();
