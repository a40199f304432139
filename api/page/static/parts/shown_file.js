// Files that jobs have made, shown and to be saved.

import { html } from "../lib.js";
import { useFile } from "./file.js";

export function Picture({ url, alt, ...rest }) {
  const src = useFile(url);
  return src ? html`<img src=${src} alt=${alt} decoding="async" ...${rest} />` : null;
}

export function Sound({ url, label }) {
  const src = useFile(url);
  return src ? html`<audio src=${src} controls preload="metadata" aria-label=${label}></audio>` : null;
}

/** Saves a file of a job under a name. */
export function SaveLink({ url, name, children }) {
  const src = useFile(url);
  return src ? html`<a class="button" href=${src} download=${name}>${children}</a>` : null;
}
