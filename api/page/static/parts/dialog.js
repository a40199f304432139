// Modal dialogs, by the browser's own element: it keeps the focus inside, and Escape closes it.

import { html, signal, useId, useLayoutEffect, useRef } from "../lib.js";
import { Button } from "./controls.js";

/** Shown as long as it is rendered. `onClose` is called by Escape too. `actions` are buttons. */
export function Dialog({ title, onClose, actions, children, wide = false }) {
  const ref = useRef(null);
  const id = useId();
  useLayoutEffect(() => {
    const before = document.activeElement;
    const dialog = ref.current;
    dialog.showModal();
    return () => {
      // Nothing outside of an open dialog takes the focus.
      dialog.close();
      if (before?.isConnected) before.focus();
    };
  }, []);
  return html`<dialog ref=${ref} class=${wide ? "wide" : ""} aria-labelledby=${id}
    onCancel=${(event) => (event.preventDefault(), onClose())}
    onClick=${(event) => event.target === ref.current && onClose()}>
    <div class="dialog-body">
      <h2 id=${id}>${title}</h2>
      ${children}
      ${actions && html`<div class="actions">${actions}</div>`}
    </div>
  </dialog>`;
}

const question = signal(null);

/** True when the person agrees. `action` is the verb of the button; `danger` where it can't be undone. */
export function confirm({ title, text, action, danger = false }) {
  return new Promise((resolve) => {
    question.value = { title, text, action, danger, resolve };
  });
}

/** The place of `confirm`: once in the page. */
export function Questions() {
  if (!question.value) return null;
  const { title, text, action, danger, resolve } = question.value;
  const answer = (yes) => {
    question.value = null;
    resolve(yes);
  };
  const actions = html`<${Button} onClick=${() => answer(false)}>Cancel<//>
    <${Button} look=${danger ? "danger" : "primary"} onClick=${() => answer(true)}>${action}<//>`;
  return html`<${Dialog} title=${title} onClose=${() => answer(false)} actions=${actions}><p>${text}</p><//>`;
}
