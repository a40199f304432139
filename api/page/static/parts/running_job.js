// A job that runs, with what it does.

import { html } from "../lib.js";
import { entryOf, machineOf } from "../events.js";
import { about, seconds, shortModel } from "../format.js";
import { jobLink } from "../router.js";
import { Button } from "./controls.js";
import { cancel } from "./job_actions.js";
import { appName, doing, kindWord, share } from "./job_words.js";
import { Progress } from "./progress.js";
import { Picture } from "./shown_file.js";
import { second } from "./ticker.js";

export function RunningJob({ id }) {
  const entry = entryOf(id);
  if (!entry) return null;
  const job = entry.job.value;
  const live = entry.progress.value;
  const name = `${kindWord(job.kind)} of ${appName(job)}`;
  const lasted = job.timings?.started_at ? Math.max(0, second.value - job.timings.started_at) : null;
  const left = live?.eta ?? null;
  const passed = lasted === null ? "" : `for ${seconds(lasted)}`;
  return html`<article class="running-job" data-job=${id} aria-label=${name}>
    ${live?.preview && html`<${Picture} url=${live.preview} alt=${`Preview, ${doing(job, live)}`} class="preview" />`}
    <div class="grow">
      <div class="job-line">
        <a class="job-app ellipsis" href=${jobLink(id)}>${appName(job)}</a>
        <span class="faint ellipsis">${kindWord(job.kind)} · ${shortModel(job.model)}</span>
        <span class="badges">${job.service_class === "background" && html`<span class="badge">background</span>`}
          ${job.attempts > 1 && html`<span class="badge">attempt ${job.attempts}</span>`}</span>
        <span class="job-eta figures">${left === null ? passed : `${about(left)} left`}</span>
      </div>
      <${Progress} value=${share(live, lasted)} label=${`Progress of ${name}`} />
      <div class="job-doing faint small figures">
        <span>${doing(job, live)}</span>
        ${machineOf(job.worker) && html`<span class="ellipsis">on ${machineOf(job.worker)}</span>`}
        ${job.lingers_until && html`<span>Its client has left; ends in ${about(Math.max(0, job.lingers_until - second.value))}</span>`}
      </div>
    </div>
    <${Button} look="quiet" icon="cancel" label=${`Cancel: ${name}`} disabled=${job.cancelling} onClick=${() => cancel(id)} />
  </article>`;
}
