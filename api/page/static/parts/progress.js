// How far something is.

import { html } from "../lib.js";

/** Without a `value` it is known only that something goes on. `label` is for screen readers. */
export function Progress({ value = null, max = 1, label }) {
  const known = value !== null && value !== undefined && max > 0;
  const share = known ? Math.min(1, value / max) : 0;
  return html`<div class=${`progress ${known ? "" : "unknown"}`} role="progressbar" aria-label=${label}
    aria-valuemin=${known ? 0 : undefined} aria-valuemax=${known ? 100 : undefined}
    aria-valuenow=${known ? Math.round(share * 100) : undefined}>
    <div style=${{ transform: known ? `scaleX(${share})` : undefined }}></div>
  </div>`;
}

export function Spinner({ label = "Loading" }) {
  return html`<span class="spinner" role="status" aria-label=${label}></span>`;
}
