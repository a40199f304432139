// A model's download: its button, or how far it is.

import { html } from "../lib.js";
import { discard, downloadOf, lastOf, pause, paused, pull } from "../downloads.js";
import { about, bytes } from "../format.js";
import { models } from "../models.js";
import { Button } from "./controls.js";
import { errorText } from "./job_words.js";
import { Progress } from "./progress.js";

export const isInstalled = (model) => models.value.some((each) => each.id === model);

/** `done` is shown in place of the button when the model is here. */
export function Download({ model, done = html`<span class="faint">Installed</span>`, look = "plain" }) {
  const entry = downloadOf(model);
  if (entry) return html`<${Going} entry=${entry} />`;
  if (isInstalled(model)) return done;
  if (paused.value.includes(model)) {
    return html`<span class="row"><span class="faint">Paused</span>
      <${Button} icon="play" label=${`Continue ${model}`} onClick=${() => pull(model)}>Continue<//>
      <${Button} look="quiet" icon="cancel" label=${`Discard ${model}`} onClick=${() => discard(model)} /></span>`;
  }
  const last = lastOf(model)?.job.value;
  return html`<span class="stack tight">
    <${Button} look=${look} icon="download" label=${`Get ${model}`} onClick=${() => pull(model)}>Get<//>
    ${last?.status === "failed" && html`<span class="error-text small">${errorText(last)}</span>`}
  </span>`;
}

function Going({ entry }) {
  const job = entry.job.value;
  const live = entry.progress.value;
  const progress = live?.progress;
  const left = live?.eta ?? progress?.eta ?? null;
  const text = progress?.total
    ? `${bytes(progress.done)} of ${bytes(progress.total)}${progress.bytes_per_second ? `, ${bytes(progress.bytes_per_second)}/s` : ""}${left === null ? "" : `, ${about(left)} left`}`
    : job.status === "queued"
      ? "Waiting"
      : "Connecting";
  return html`<div class="download">
    <div class="grow">
      <${Progress} value=${progress?.total ? progress.done : null} max=${progress?.total ?? 1} label=${`Download of ${job.model}`} />
      <span class="small faint figures">${text}</span>
    </div>
    <${Button} look="quiet" icon="pause" label=${`Pause the download of ${job.model}`} onClick=${() => pause(entry)} />
    <${Button} look="quiet" icon="cancel" label=${`Cancel the download of ${job.model}`} onClick=${() => discard(job.model)} />
  </div>`;
}
