// A field to choose one of the models that are here.

import { html, useEffect } from "../lib.js";
import { known, ofType, refresh } from "../models.js";
import { Select } from "./controls.js";

/** Models that ship with mlxq and are toys. */
const TOYS = ["tiny-chat", "tiny-whisper", "tiny-image"];
export const isToy = (id) => TOYS.includes(id);

/** The usable models of a category, those in memory first and toys last; null until they are known. */
export function useModels(category) {
  useEffect(() => {
    // Where this browser is told of no events, nobody else asks.
    if (!known.value) refresh();
  }, []);
  if (!known.value) return null;
  const usable = ofType(category).filter(({ status }) => status !== "error");
  return [...usable.filter(({ id }) => !isToy(id)), ...usable.filter(({ id }) => isToy(id))];
}

/** The model to use: the chosen one while it is there, else the first, else null. */
export const chosen = (models, id) => models?.find((model) => model.id === id) ?? models?.[0] ?? null;

export function ModelSelect({ models, value, onChange, label = "Model", hidden = false }) {
  const options = models.map(({ id, status }) => [id, status === "loaded" ? `${id} (in memory)` : id]);
  return html`<${Select} label=${label} hidden=${hidden} value=${value} options=${options} onChange=${onChange} />`;
}

/** Where there is no model, or none but a toy: the way to one. */
export function ModelHint({ models, what }) {
  if (models === null) return null;
  if (!models.length) {
    return html`<p class="card">There is no model for ${what} here yet. <a href="#/models">Find one that fits this machine</a>.</p>`;
  }
  if (models.every(({ id }) => isToy(id))) {
    return html`<p class="hint">${models[0].id} is a toy to try this page with. <a href="#/models">Find a real model</a>.</p>`;
  }
  return null;
}
