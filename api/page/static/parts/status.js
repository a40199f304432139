// The state of a job as a word with a mark.

import { html } from "../lib.js";
import { STATUSES } from "./job_words.js";

export function Status({ status }) {
  return html`<span class=${`status ${status}`}>${STATUSES[status] ?? status}</span>`;
}
