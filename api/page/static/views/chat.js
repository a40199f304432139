// Chat.

import { html } from "../lib.js";
import { Heading } from "../parts/heading.js";

export function View() {
  return html`<${Heading}>Chat<//>`;
}
