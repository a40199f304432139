// Speak: a text, a voice, and what was made of them.

import { html, useEffect, useState } from "../../lib.js";
import { call } from "../../api.js";
import { bytes } from "../../format.js";
import { recall, remember } from "../../storage.js";
import { Button, Field, Input, Select } from "../controls.js";
import { chosen, ModelHint, ModelSelect, useModels } from "../model_select.js";
import { save } from "../save.js";
import { LANGUAGES } from "./languages.js";
import { Recorder } from "./recorder.js";
import { FORMATS, speak, speaking, spoken, stop } from "./speech.js";

const USUAL = { text: "", model: "", voice: "", format: "wav", speed: 1, instructions: "", language: "", transcript: "" };

export function Speak() {
  const models = useModels("tts");
  const [wanted, setWanted] = useState(() => ({ ...USUAL, ...recall("audio.speak", {}) }));
  const [reference, setReference] = useState(null);
  const voices = useVoices();
  const model = chosen(models, wanted.model);
  const set = (fields) => {
    const next = { ...wanted, ...fields };
    setWanted(next);
    remember("audio.speak", next);
  };
  const ready = model !== null && wanted.text.trim() !== "";
  const start = async () => {
    if (ready) await speak(wanted.text, { ...wanted, model: model.id, reference });
  };
  const voice = voices.some(([name]) => name === wanted.voice) ? wanted.voice : "";
  return html`<div class="audio speak">
    <div class="stack">
      <${ModelHint} models=${models} what="speech" />
      <${Field} label="Text">${(attributes) =>
        html`<textarea ...${attributes} rows="5" value=${wanted.text} onInput=${(event) => set({ text: event.target.value })}></textarea>`}<//>
      <div class="options-grid">
        ${models?.length > 0 && html`<${ModelSelect} models=${models} value=${model?.id} onChange=${(id) => set({ model: id })} />`}
        <${Select} label="Voice" value=${voice} disabled=${reference !== null} options=${[["", "Default"], ...voices]}
          onChange=${(name) => set({ voice: name })} />
        <${Select} label="Format" value=${wanted.format} options=${FORMATS} hint=${wanted.format === "wav" ? "Plays while it is made" : ""}
          onChange=${(format) => set({ format })} />
        <${Field} label=${`Speed: ${wanted.speed}`}>${(attributes) =>
          html`<input type="range" ...${attributes} min="0.5" max="2" step="0.05" value=${wanted.speed}
            onInput=${(event) => set({ speed: Number(event.target.value) })} />`}<//>
      </div>
      <details class="stack">
        <summary>More</summary>
        <${Select} label="Language" value=${wanted.language} options=${[["", "Automatic"], ...LANGUAGES]}
          onChange=${(language) => set({ language })} />
        <${Input} label="How to speak" hint="For models that take instructions" value=${wanted.instructions}
          onInput=${(instructions) => set({ instructions })} />
        <${Reference} reference=${reference} onChange=${setReference} transcript=${wanted.transcript}
          onTranscript=${(transcript) => set({ transcript })} />
      </details>
      ${speaking.value
        ? html`<div class="row">
            <${Button} icon="stop" onClick=${stop}>Stop<//>
            <span class="hint" role="status">${speaking.value.bytes ? `Speaking … ${bytes(speaking.value.bytes)}` : "Waiting …"}</span>
          </div>`
        : html`<${Button} look="primary" icon="play" disabled=${!ready} onClick=${start}>Speak<//>`}
    </div>
    <section aria-label="Spoken" class="stack">
      ${!spoken.value.length && html`<p class="empty">What is spoken appears here, until this page is left.</p>`}
      ${spoken.value.map((entry) => html`<${Spoken} key=${entry.id} entry=${entry} />`)}
    </section>
  </div>`;
}

function Spoken({ entry }) {
  const { text, voice, url, blob, name, warning, fresh } = entry;
  return html`<article class="card stack">
    <p class="wrap">${text.length > 280 ? `${text.slice(0, 280)} …` : text}</p>
    <audio controls src=${url} autoplay=${fresh} aria-label="The speech"></audio>
    <div class="row wrap-row">
      <${Button} icon="download" onClick=${() => save(name, blob)}>Download<//>
      <span class="hint">${[voice, bytes(blob.size)].filter(Boolean).join(" · ")}</span>
    </div>
    ${warning && html`<p class="hint">${warning}</p>`}
  </article>`;
}

/** A recording of a voice that the model is to speak with. */
function Reference({ reference, onChange, transcript, onTranscript }) {
  const [url, setUrl] = useState(null);
  useEffect(() => {
    if (!reference) return undefined;
    const address = URL.createObjectURL(reference);
    setUrl(address);
    return () => URL.revokeObjectURL(address);
  }, [reference]);
  if (!reference) {
    return html`<${Recorder} label="A voice to speak with" onFile=${onChange}>
      <span class="hint">Speak with a recorded voice: 3 to 10 seconds of clear speech, for models that take one. Use only your own
        voice, or one whose owner agrees.</span>
    <//>`;
  }
  return html`<div class="stack">
    ${url && html`<audio controls src=${url} aria-label="The recorded voice"></audio>`}
    <${Input} label="What is said in it" hint="Makes the voice better; some models need it" value=${transcript} onInput=${onTranscript} />
    <${Button} onClick=${() => onChange(null)}>Without this recording<//>
  </div>`;
}

/** The voices that the server lists, as options. */
function useVoices() {
  const [voices, setVoices] = useState([]);
  useEffect(() => {
    call("v1/voices").then(
      (body) => setVoices(body.voices.map(({ name, source }) => [name, source === "registry" ? `${name} (yours)` : name])),
      () => {},
    );
  }, []);
  return voices;
}
