// The models that are recommended for this machine, by what they are for.

import { html, useEffect } from "../lib.js";
import { bytes } from "../format.js";
import { askRecommended, recommended } from "../recommended.js";
import { Download } from "./download.js";
import { CATEGORIES } from "./job_words.js";

export function Recommended() {
  useEffect(askRecommended, []);
  if (!recommended.value) return null;
  const { data, memory_bytes: memory } = recommended.value;
  const groups = Object.entries(CATEGORIES).map(([category, text]) => [text, data.filter((row) => row.category === category)]);
  return html`<section aria-labelledby="recommended-title">
    <div class="spread"><h2 id="recommended-title">Recommended</h2>
      <span class="faint figures">Models may take ${bytes(memory)} here</span></div>
    <div class="recommended">${groups
      .filter(([, rows]) => rows.length)
      .map(
        ([text, rows]) => html`<div key=${text}><h3>${text}</h3><ul class="offers">${rows.map(
          (row) => html`<li class="offer" key=${row.id}>
            <div class="grow"><div class="wrap">${row.id}</div><div class="small faint">${row.size}${row.fits ? "" : ", too large here"}</div></div>
            ${row.fits && html`<${Download} model=${row.id} look=${row.best ? "primary" : "plain"} />`}
          </li>`,
        )}</ul></div>`,
      )}</div>
  </section>`;
}
