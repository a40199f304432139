// The heading of a view.

import { html } from "../lib.js";

/** `aside` stands beside it. */
export function Heading({ children, aside }) {
  return html`<div class="heading"><h1>${children}</h1>${aside && html`<div class="aside">${aside}</div>`}</div>`;
}
