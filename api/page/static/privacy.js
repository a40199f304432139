// Whether prompts and answers are hidden until somebody asks for them.

import { signal } from "./lib.js";
import { recall, remember } from "./storage.js";

export const hidePrompts = signal(recall("hide-prompts", false));

export function setHidePrompts(on) {
  hidePrompts.value = on;
  remember("hide-prompts", on);
}
