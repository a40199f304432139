// The models that are here, for all views: `/v1/models`, asked again when they change.

import { computed, effect, signal } from "./lib.js";
import { call, key } from "./api.js";
import { modelsRevision } from "./events.js";

/**
 * Rows of `/v1/models`: `id`, `type` (llm, asr, tts, image, embedding), `status`, `context_length`, sizes in bytes, and
 * whether it `sees` images.
 */
export const models = signal([]);
/** True as soon as they are known. */
export const known = signal(false);

/** Those of a category, loaded ones first. */
export const ofType = (type) => models.value.filter((model) => model.type === type && model.endpoints?.[0] !== "/v1/rerank");

export const loaded = computed(() => models.value.filter((model) => model.status === "loaded"));

let asking = null;
let again = false;

/** Asks the server now. Several calls at once are one or two requests. */
export async function refresh() {
  if (asking) {
    again = true;
    return asking;
  }
  asking = ask();
  try {
    await asking;
  } finally {
    asking = null;
  }
  if (again) {
    again = false;
    return refresh();
  }
}

async function ask() {
  try {
    const { data, models: rows } = await call("v1/models");
    const seeing = new Set(rows.filter(({ type }) => type === "vision").map(({ name }) => name));
    for (const model of data) model.sees = seeing.has(model.id);
    const order = { loaded: 0, loading: 1 };
    models.value = data.sort((a, b) => (order[a.status] ?? 2) - (order[b.status] ?? 2) || a.id.localeCompare(b.id));
    known.value = true;
  } catch {
    // The list stays as it was: what is wrong is shown by the connection.
  }
}

effect(() => {
  if (modelsRevision.value || key.value) refresh();
});
