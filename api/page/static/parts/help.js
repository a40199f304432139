// The list of shortcuts, under `?`.

import { html, signal } from "../lib.js";
import { enabled, setEnabled, shortcuts } from "../keys.js";
import { Button, Checkbox } from "./controls.js";
import { Dialog } from "./dialog.js";

export const helping = signal(false);

export function Help() {
  if (!helping.value) return null;
  const close = () => {
    helping.value = false;
  };
  return html`<${Dialog} title="Keyboard" wide onClose=${close} actions=${html`<${Button} look="primary" onClick=${close}>Close<//>`}>
    <dl class="keys">${shortcuts.value.map(
      ({ keys, text }) => html`<div key=${keys}>
        <dt>${keys.split(" ").map((key) => html`<kbd>${key}</kbd>`)}</dt><dd>${text}</dd>
      </div>`,
    )}</dl>
    <${Checkbox} label="Use these keys" checked=${enabled.value} onChange=${setEnabled}
      hint="Tab, Enter and Escape always work." />
  <//>`;
}
