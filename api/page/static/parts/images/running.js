// The image jobs that run or wait, with their previews.

import { html } from "../../lib.js";
import { about } from "../../format.js";
import { Button } from "../controls.js";
import { useFile } from "../file.js";
import { Progress } from "../progress.js";
import { going, stop } from "./work.js";

export function Running() {
  if (!going.value.length) return null;
  return html`<section aria-label="In progress" class="stack">
    ${going.value.map((job) => html`<${Job} key=${job.id} job=${job} />`)}
  </section>`;
}

function Job({ job }) {
  job.version.value;
  const { settings, progress, previews, stopping, warning } = job;
  const count = Number(settings.n) || 1;
  return html`<article class="card image-job" aria-label=${`Images of: ${settings.prompt}`}>
    <div class="spread">
      <span class="ellipsis grow">${settings.prompt}</span>
      <a class="small" href=${`#/jobs/${encodeURIComponent(job.id)}`}>Job</a>
      <${Button} icon="stop" disabled=${stopping} onClick=${() => stop(job)}>${stopping ? "Cancelling …" : "Cancel"}<//>
    </div>
    <p class="hint" role="status">${stateOf(job)}</p>
    <${Progress} value=${progress?.done ?? (job.state === "running" ? null : 0)} max=${progress?.total ?? 1} label="Steps done" />
    <div class="previews">
      ${Array.from({ length: count }, (_, index) => html`<${Preview} key=${index} url=${previews[index]} index=${index} />`)}
    </div>
    ${warning && html`<p class="hint">${warning}</p>`}
  </article>`;
}

function Preview({ url, index }) {
  const address = useFile(url);
  return html`<div class="preview">${address && html`<img src=${address} alt=${`Preview of image ${index + 1}`} />`}</div>`;
}

function stateOf({ state, progress, place }) {
  if (state === "queued") {
    const facts = [place?.position && `place ${place.position}`, place?.eta && `about ${about(place.eta)}`].filter(Boolean);
    return `Waiting${facts.length ? `: ${facts.join(", ")}` : " …"}`;
  }
  if (state === "loading") return "Loading the model …";
  if (state === "downloading") return "Fetching the model …";
  if (!progress) return "Starting …";
  const eta = progress.eta ? `, about ${about(progress.eta)}` : "";
  return `Step ${progress.done} of ${progress.total}${eta}`;
}
