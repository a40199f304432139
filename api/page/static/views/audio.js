// Audio: transcribe a recording, speak a text.

import { html } from "../lib.js";
import { setQuery } from "../router.js";
import { Segments } from "../parts/controls.js";
import { Heading } from "../parts/heading.js";
import { Speak } from "../parts/audio/speak.js";
import { Transcribe } from "../parts/audio/transcribe.js";

export function View({ query }) {
  const task = query.get("task") === "speak" ? "speak" : "transcribe";
  const choose = (value) => setQuery({ task: value === "speak" ? value : "" });
  return html`<${Heading} aside=${html`<${Segments} label="Task" value=${task}
      options=${[["transcribe", "Transcribe"], ["speak", "Speak"]]} onChange=${choose} />`}>Audio<//>
    ${task === "speak" ? html`<${Speak} />` : html`<${Transcribe} />`}`;
}
