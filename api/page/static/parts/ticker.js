// The time of the server, each second, for what shows durations.

import { signal } from "../lib.js";
import { now } from "../events.js";

/** Unix seconds. It does not go on while the page is hidden. */
export const second = signal(now());

setInterval(() => {
  if (!document.hidden) second.value = now();
}, 1000);
