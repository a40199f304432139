// Keyboard shortcuts: single keys, and `g` followed by a key. They are listed under `?`, and can be turned off.

import { signal, useEffect } from "./lib.js";
import { recall, remember } from "./storage.js";

/** The shortcuts of what is shown: `{keys, text, run}`; `keys` is "p" or "g n". */
export const shortcuts = signal([]);
export const enabled = signal(recall("shortcuts", true));

let first = null;

export function setEnabled(on) {
  enabled.value = on;
  remember("shortcuts", on);
}

/** Adds shortcuts for as long as the component is shown. `list` is made anew only when `inputs` change. */
export function useKeys(list, inputs = []) {
  useEffect(() => {
    shortcuts.value = [...shortcuts.value, ...list];
    return () => {
      shortcuts.value = shortcuts.value.filter((each) => !list.includes(each));
    };
  }, inputs);
}

/** Whether a key belongs to an input method: its Enter chooses a word. Safari says so by the code 229 only. */
export const composes = (event) => event.isComposing || event.keyCode === 229;

addEventListener("keydown", (event) => {
  if (!enabled.value || event.defaultPrevented || composes(event)) return;
  if (event.ctrlKey || event.metaKey || event.altKey || writes(event.target)) return;
  if (document.querySelector("dialog[open]")) return;
  const keys = first === null ? event.key : `${first} ${event.key}`;
  const found = shortcuts.value.findLast((each) => each.keys === keys);
  if (found) {
    first = null;
    event.preventDefault();
    found.run(event);
    return;
  }
  first = first === null && shortcuts.value.some((each) => each.keys.startsWith(`${event.key} `)) ? event.key : null;
});

function writes(target) {
  return target instanceof Element && target.closest("input, textarea, select, [contenteditable]") !== null;
}
