// Models that stay in memory until a person lets them go: the setting `kept_models`.

import { signal } from "./lib.js";
import { call } from "./api.js";

/** Their ids; null until they are known, and where this browser may not ask. */
export const kept = signal(null);

export async function askKept() {
  try {
    kept.value = (await call("v1/settings")).kept_models;
  } catch {
    // What is wrong is shown by the connection.
  }
}

/** Another tab may have changed them: what is there now is asked first. */
export async function keep(model, stays) {
  const others = (await call("v1/settings")).kept_models.filter((each) => each !== model);
  const value = stays ? [...others, model] : others;
  kept.value = (await call("v1/settings/kept_models", { method: "PUT", json: { value } })).value;
}
