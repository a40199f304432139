// The memory of workers as bars: weights, caches, free.

import { html, useEffect } from "../lib.js";
import { machineOf, workers } from "../events.js";
import { bytes, shortModel } from "../format.js";
import { askRecommended, recommended } from "../recommended.js";
import { CATEGORIES } from "./job_words.js";

/** What a worker holds, in bytes; `total` is what models may take, null where it is not known. */
export function memoryOf(worker) {
  const models = Object.entries(worker.slots).flatMap(([category, slots]) =>
    slots.filter((slot) => slot.model).map((slot) => ({ ...slot, category })),
  );
  const weights = models.reduce((sum, model) => sum + (model.memory_bytes ?? 0), 0);
  const { active = 0, cache = 0 } = worker.memory ?? {};
  const caches = Math.max(0, active + cache - weights);
  const total = worker.budget || worker.device?.memory_bytes || recommended.value?.memory_bytes || null;
  return { models, weights, caches, used: weights + caches, total };
}

/** `brief` leaves out the legend. */
export function Memory({ brief = false }) {
  useEffect(askRecommended, []);
  if (!workers.value.length) return null;
  return html`<div class="memories">${workers.value.map((worker) => {
    const memory = memoryOf(worker);
    return html`<${Bar} key=${worker.name} worker=${worker} memory=${memory} brief=${brief} />`;
  })}</div>`;
}

function Bar({ worker, memory, brief }) {
  const { weights, caches, used, total } = memory;
  const whole = Math.max(total ?? Infinity, used, 1);
  const free = total === null ? null : Math.max(0, total - used);
  const text =
    `Weights ${bytes(weights)}, caches ${bytes(caches)}` + (free === null ? "" : `, free ${bytes(free)} of ${bytes(total)}`);
  const percent = (size) => ({ width: `${(100 * size) / whole}%` });
  return html`<div class="memory">
    ${workers.value.length > 1 && html`<div class="small faint">${machineOf(worker.name)}</div>`}
    <div class="memory-bar" role="img" aria-label=${`Memory: ${text}`}>
      <div class="weights" style=${percent(weights)}></div><div class="caches" style=${percent(caches)}></div>
    </div>
    <div class="legend small faint figures">
      <span class="weights">Weights ${bytes(weights)}</span>
      <span class="caches">Caches ${bytes(caches)}</span>
      ${free !== null && html`<span class="free">Free ${bytes(free)}${brief ? "" : ` of ${bytes(total)}`}</span>`}
      ${brief && html`<${Loaded} models=${memory.models} />`}
    </div>
  </div>`;
}

function Loaded({ models }) {
  const there = models.filter((model) => model.state === "loaded" || model.state === "loading");
  if (!there.length) return html`<span class="loaded-models">No model in memory</span>`;
  return html`<span class="loaded-models ellipsis">${there
    .map((model) => `${shortModel(model.model)}${model.state === "loading" ? " (loading)" : ""}`)
    .join(", ")}</span>`;
}

/** Models that workers hold, with their category. */
export function held() {
  return workers.value.flatMap((worker) => memoryOf(worker).models.map((model) => ({ ...model, worker: worker.name })));
}

export const categoryWord = (category) => CATEGORIES[category] ?? category;
