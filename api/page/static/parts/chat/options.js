// The system prompt and the parameters of a conversation.

import { html, useState } from "../../lib.js";
import { Button, Field, Select } from "../controls.js";
import { Dialog } from "../dialog.js";
import { EFFORTS, OPTIONS, toolsOf } from "./request.js";

export function Options({ options, onChange, onClose }) {
  const [draft, setDraft] = useState(options);
  const set = (name, value) => setDraft((old) => ({ ...old, [name]: value }));
  const wrongTools = toolsOf(draft.tools) === undefined;
  const done = (event) => {
    event.preventDefault();
    if (wrongTools) return;
    onChange(Object.fromEntries(Object.entries(draft).filter(([, value]) => value !== "" && value !== undefined)));
    onClose();
  };
  return html`<${Dialog} title="Parameters" wide onClose=${onClose}>
    <form class="stack" onSubmit=${done}>
      <${Field} label="System prompt">${(attributes) =>
        html`<textarea ...${attributes} rows="4" value=${draft.system ?? ""}
          onInput=${(event) => set("system", event.target.value)}></textarea>`}<//>
      <div class="options-grid">
        ${OPTIONS.map(
          ({ name, label, hint, ...bounds }) => html`<${Field} key=${name} label=${label} hint=${hint}>${(attributes) =>
            html`<input type="number" ...${attributes} ...${bounds} value=${draft[name] ?? ""}
              onInput=${(event) => set(name, event.target.value)} />`}<//>`,
        )}
        <${Select} label="Thinking" value=${draft.effort ?? ""} hint="for models that think"
          options=${[["", "as the model has it"], ...EFFORTS]} onChange=${(value) => set("effort", value)} />
      </div>
      <details>
        <summary>Tools</summary>
        <${Field} label="Functions that the model may call, as JSON"
          hint=${wrongTools ? "This is no list in JSON." : "Calls are shown in the chat, where you give their results."}>${(attributes) =>
          html`<textarea ...${attributes} rows="5" class="mono" spellcheck=${false} aria-invalid=${wrongTools ? "true" : undefined}
            value=${draft.tools ?? ""} onInput=${(event) => set("tools", event.target.value)}></textarea>`}<//>
      </details>
      <div class="actions">
        <${Button} onClick=${() => setDraft({})}>Reset<//>
        <${Button} onClick=${onClose}>Cancel<//>
        <button class="button primary"><span>Use</span></button>
      </div>
    </form>
  <//>`;
}
