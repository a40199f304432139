// Which models are recommended for this machine, and what of its memory models may take.

import { signal } from "./lib.js";
import { call } from "./api.js";

/** The body of `/v1/hub/recommended`, null until it is known. */
export const recommended = signal(null);

let asked = null;

export function askRecommended() {
  asked ??= call("v1/hub/recommended").then(
    (body) => (recommended.value = body),
    () => (asked = null),
  );
}
