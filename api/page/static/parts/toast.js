// Short notices: toasts for the eye, and a live region for screen readers.

import { html, signal } from "../lib.js";
import { Icon } from "./icons.js";

const toasts = signal([]);
const spoken = signal("");
let last = 0;

/** Shows a notice for some seconds. `action` is `{text, run}`. */
export function toast(text, { bad = false, action = null } = {}) {
  const id = ++last;
  toasts.value = [...toasts.value.filter((each) => each.text !== text).slice(-3), { id, text, bad, action }];
  setTimeout(() => dismiss(id), bad || action ? 8000 : 4000);
}

/** Says an error. The end of an aborted request is none. */
export function failed(error) {
  if (error?.name === "AbortError") return;
  toast(error?.message ?? String(error), { bad: true });
}

/** Tells screen readers, when they have time. */
export function say(text) {
  spoken.value = text;
}

function dismiss(id) {
  toasts.value = toasts.value.filter((each) => each.id !== id);
}

export function Toasts() {
  return html`<div class="visually-hidden" aria-live="polite" role="status">${spoken}</div>
    <div class="toasts" role="log" aria-live="polite" aria-label="Notices">
      ${toasts.value.map(
        ({ id, text, bad, action }) => html`<div class=${`toast ${bad ? "bad" : ""}`} key=${id}>
          ${bad && html`<${Icon} name="warning" />`}
          <span>${text}</span>
          ${action &&
          html`<button type="button" class="button quiet" onClick=${() => (dismiss(id), action.run())}>${action.text}</button>`}
          <button type="button" class="button quiet icon-only" aria-label="Dismiss" onClick=${() => dismiss(id)}>
            <${Icon} name="cancel" size=${16} />
          </button>
        </div>`,
      )}
    </div>`;
}
