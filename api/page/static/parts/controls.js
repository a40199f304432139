// Buttons and fields.

import { html, useId, useState } from "../lib.js";
import { Icon } from "./icons.js";
import { failed } from "./toast.js";

/**
 * A button. While the promise of `onClick` is open it is busy, and its error is shown as a toast.
 * `look`: "plain" (default), "primary", "danger" or "quiet". With `icon` and no children, `label` is its name.
 */
export function Button({ onClick, look = "plain", icon, label, disabled, children, ...rest }) {
  const [busy, setBusy] = useState(false);
  const click = async (event) => {
    if (busy || disabled || !onClick) return;
    const done = onClick(event);
    if (!(done instanceof Promise)) return;
    setBusy(true);
    try {
      await done;
    } catch (error) {
      failed(error);
    } finally {
      setBusy(false);
    }
  };
  const only = icon && !children;
  return html`<button
    type="button"
    ...${rest}
    class=${`button ${look} ${only ? "icon-only" : ""} ${rest.class ?? ""}`}
    aria-label=${label}
    title=${rest.title ?? label}
    aria-busy=${busy ? "true" : undefined}
    aria-disabled=${disabled || busy ? "true" : undefined}
    onClick=${click}
  >${icon && html`<${Icon} name=${icon} />`}${children && html`<span>${children}</span>`}</button>`;
}

/** A labelled field around an input, textarea or select: `children` is a function of the attributes to give it. */
export function Field({ label, hint, children, hidden = false }) {
  const id = useId();
  const attributes = { id, "aria-describedby": hint ? `${id}-hint` : undefined };
  return html`<div class="field">
    <label for=${id} class=${hidden ? "visually-hidden" : ""}>${label}</label>
    ${children(attributes)}
    ${hint && html`<p class="hint" id=${`${id}-hint`}>${hint}</p>`}
  </div>`;
}

/** `options` are values, or pairs of value and text. */
export function Select({ label, value, options, onChange, hint, hidden, disabled }) {
  return html`<${Field} label=${label} hint=${hint} hidden=${hidden}>${(attributes) =>
    html`<select ...${attributes} value=${value} disabled=${disabled} onChange=${(event) => onChange(event.target.value)}>
      ${options.map((option) => {
        const [each, text] = Array.isArray(option) ? option : [option, option];
        return html`<option key=${each} value=${each} selected=${each === value}>${text}</option>`;
      })}
    </select>`}<//>`;
}

/** A field of one line. `onInput` gets its text. Other attributes go to the input. */
export function Input({ label, value, onInput, hint, hidden, ...rest }) {
  return html`<${Field} label=${label} hint=${hint} hidden=${hidden}>${(attributes) =>
    html`<input type="text" autocomplete="off" ...${attributes} ...${rest} value=${value}
      onInput=${(event) => onInput(event.target.value)} />`}<//>`;
}

export function Checkbox({ label, checked, onChange, hint, disabled }) {
  const id = useId();
  return html`<div class="checkbox">
    <input type="checkbox" id=${id} checked=${checked} disabled=${disabled} aria-describedby=${hint ? `${id}-hint` : undefined}
      onChange=${(event) => onChange(event.target.checked)} />
    <label for=${id}>${label}</label>
    ${hint && html`<p class="hint" id=${`${id}-hint`}>${hint}</p>`}
  </div>`;
}

/** One of a few values, as buttons in a row. */
export function Segments({ label, value, options, onChange }) {
  return html`<div class="segments" role="group" aria-label=${label}>
    ${options.map(
      ([each, text]) =>
        html`<button type="button" key=${each} aria-pressed=${each === value ? "true" : "false"}
          onClick=${() => onChange(each)}>${text}</button>`,
    )}
  </div>`;
}

/** Copies `text`, which may be a function. */
export function CopyButton({ text, children = "Copy", look = "plain", label }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await copyText(typeof text === "function" ? text() : text);
    setCopied(true);
    setTimeout(() => setCopied(false), 1500);
  };
  return html`<${Button} look=${look} icon=${copied ? "check" : "copy"} label=${label} onClick=${copy}>
    ${copied ? "Copied" : children}
  <//>`;
}

/** Browsers have no clipboard for pages that came over plain HTTP from another machine: there a selection is copied. */
export async function copyText(text) {
  if (navigator.clipboard && isSecureContext) {
    await navigator.clipboard.writeText(text);
    return;
  }
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  (document.querySelector("dialog[open]") ?? document.body).append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (!done) throw new Error("This browser does not allow copying.");
}
