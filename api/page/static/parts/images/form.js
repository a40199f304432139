// What is asked for: prompt, model, size and so on, and the image to start from with its mask.

import { html, useRef, useState } from "../../lib.js";
import { composes } from "../../keys.js";
import { Button, Field, Input, Select } from "../controls.js";
import { chosen, ModelHint, ModelSelect, useModels } from "../model_select.js";
import { asPng, isPicture } from "../pictures.js";
import { failed } from "../toast.js";
import { MaskEditor, maskOf } from "./mask.js";
import { form, paint, setForm, setSource, setStrokes, source } from "./work.js";

const SIZES = [
  ["auto", "Default"],
  ["512x512", "512 × 512"],
  ["768x768", "768 × 768"],
  ["1024x1024", "1024 × 1024"],
  ["1344x768", "1344 × 768, wide"],
  ["768x1344", "768 × 1344, tall"],
  ["1152x896", "1152 × 896"],
  ["896x1152", "896 × 1152"],
  ["custom", "Other"],
];
/** The longest side of an image to start from, in pixels. */
const LONGEST = 2048;

export async function startFrom(file) {
  if (!isPicture(file)) throw new Error(`${file.name} is no image.`);
  setSource(await asPng(file, LONGEST));
}

export function Form() {
  const models = useModels("image");
  const values = form.value;
  const model = chosen(models, values.model);
  const number = (name, label, bounds, otherwise) =>
    html`<${Field} label=${label}>${(attributes) =>
      html`<input type="number" ...${attributes} ...${bounds} placeholder=${otherwise} value=${values[name]}
        onInput=${(event) => setForm({ [name]: event.target.value })} />`}<//>`;
  const send = async () => {
    const picture = source.value;
    await paint({ ...values, model: model.id }, picture?.blob ?? null, picture && (await maskOf(picture)));
  };
  const ready = model !== null && values.prompt.trim() !== "";
  const key = (event) => {
    if (event.key !== "Enter" || composes(event) || !(event.ctrlKey || event.metaKey) || !ready) return;
    event.preventDefault();
    send().catch(failed);
  };
  return html`<div class="image-form stack">
    <${ModelHint} models=${models} what="images" />
    <${Field} label="Prompt">${(attributes) =>
      html`<textarea ...${attributes} rows="4" value=${values.prompt} onKeyDown=${key}
        onInput=${(event) => setForm({ prompt: event.target.value })}></textarea>`}<//>
    <${Source} />
    <div class="options-grid">
      ${models?.length > 0 && html`<${ModelSelect} models=${models} value=${model?.id} onChange=${(id) => setForm({ model: id })} />`}
      <${Select} label="Size" value=${values.size} options=${SIZES} onChange=${(size) => setForm({ size })} />
      ${values.size === "custom" && number("width", "Width", { min: 16, max: 2048, step: 16 })}
      ${values.size === "custom" && number("height", "Height", { min: 16, max: 2048, step: 16 })}
      ${number("n", "Images", { min: 1, max: 10 })}
      ${number("seed", "Seed", { step: 1 }, "Random")}
    </div>
    <details class="stack">
      <summary>More</summary>
      <div class="options-grid">
        ${number("steps", "Steps", { min: 1, max: 100 }, "Default")}
        ${number("guidance", "Guidance", { min: 0, max: 30, step: 0.5 }, "Default")}
      </div>
      <${Input} label="Negative prompt" hint="What to avoid, for models that take it" value=${values.negative}
        onInput=${(negative) => setForm({ negative })} />
    </details>
    <${Button} look="primary" disabled=${!ready} onClick=${send}>Make ${Number(values.n) > 1 ? `${values.n} images` : "an image"}<//>
  </div>`;
}

/** The image to start from. It is dropped, pasted or picked, or taken from the gallery. */
function Source() {
  const picker = useRef(null);
  const [over, setOver] = useState(false);
  const take = (file) => file && startFrom(file).catch(failed);
  const drop = (event) => {
    event.preventDefault();
    setOver(false);
    take(event.dataTransfer.files[0]);
  };
  const picture = source.value;
  return html`<div class=${`drop ${over ? "over" : ""}`} onDragOver=${(event) => (event.preventDefault(), setOver(true))}
    onDragLeave=${() => setOver(false)} onDrop=${drop}>
    <input ref=${picker} type="file" accept="image/*" hidden
      onChange=${(event) => (take(event.target.files[0]), (event.target.value = ""))} />
    ${picture
      ? html`<div class="stack">
          <${MaskEditor} picture=${picture} onChange=${setStrokes} />
          <${Strength} />
          <${Button} onClick=${() => setSource(null)}>Start without an image<//>
        </div>`
      : html`<span class="hint grow">Drop an image to start from</span>
          <${Button} icon="images" onClick=${() => picker.current.click()}>Choose<//>`}
  </div>`;
}

function Strength() {
  const { strength } = form.value;
  return html`<${Field} label=${`Strength: ${strength === "" ? "default" : strength}`} hint="How much of the image is changed">${(
    attributes,
  ) =>
    html`<span class="row"><input type="range" class="grow" ...${attributes} min="0" max="1" step="0.05" value=${strength === "" ? 0.75 : strength}
        onInput=${(event) => setForm({ strength: event.target.value })} />
      <${Button} look="quiet" disabled=${strength === ""} onClick=${() => setForm({ strength: "" })}>Reset<//></span>`}<//>`;
}
