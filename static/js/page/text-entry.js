/**
 * Completes a text field once, whatever input method writes in it: with Enter, and by submitting the field's form.
 *
 * An Enter that ends a composition chooses what is written, and does not complete the field. Hangul is the exception: it has no
 * choice to confirm, so its Enter does both. Some systems then send a second Enter and some do not; the caller's `complete` must
 * therefore do nothing when the field is empty.
 *
 * A form can be submitted during a composition, by the send key of an on-screen keyboard or a tap on the button. The composition
 * is ended first, and if the input method writes the same text again into the emptied field, it is discarded.
 */

const IN_COMPOSITION = 229; // the keyCode of a key that the input method handles; Safari sends it after the composition too
const JUST_ENDED_MS = 100;
const ENDS_IN_HANGUL = /\p{Script=Hangul}$/u;

/** Whether an input method handles the key. @param {KeyboardEvent} event */
export function isComposed(event) {
  return event.isComposing || event.keyCode === IN_COMPOSITION;
}

/** @param {KeyboardEvent} event */
function isEnter({ key, code }) {
  return key === 'Enter' || code === 'Enter' || code === 'NumpadEnter'; // an input method may name its key "Process"
}

/** @param {HTMLInputElement} field in a form, so that a phone's send key submits it @param {() => void} complete */
export function onComplete(field, complete) {
  let composing = false;
  let enterPressed = false;
  let ended = '';
  let endedAt = -Infinity;
  /** What the input method may write again after its composition was ended here. */
  let sent = '';

  field.addEventListener('compositionstart', () => {
    composing = true;
    enterPressed = false;
    sent = '';
  });
  field.addEventListener('compositionend', ({ data, timeStamp }) => {
    composing = false;
    ended = data;
    endedAt = timeStamp;
    if (enterPressed && ENDS_IN_HANGUL.test(data)) setTimeout(complete); // the text is in the field after this event
    enterPressed = false;
  });
  field.addEventListener('beforeinput', (event) => {
    if (sent !== '' && event.data === sent && event.inputType.startsWith('insert')) event.preventDefault();
    sent = '';
  });
  field.addEventListener('keydown', (event) => {
    sent = '';
    if (!isEnter(event)) return;
    if (isComposed(event)) {
      if (composing) enterPressed = true;
      if (composing || event.timeStamp - endedAt > JUST_ENDED_MS || !ENDS_IN_HANGUL.test(ended)) return;
    }
    event.preventDefault();
    complete();
  });
  field.form?.addEventListener('submit', (event) => {
    event.preventDefault();
    enterPressed = false;
    if (composing) {
      field.blur();
      field.focus({ preventScroll: true });
      sent = ended;
    }
    complete();
  });
}
