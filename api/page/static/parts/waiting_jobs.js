// The jobs that wait, each queue in its order. Only rows in sight are in the document.

import { html, signal, useEffect, useMemo, useState } from "../lib.js";
import { entryOf, more, queues, waiting } from "../events.js";
import { about, number, shortModel } from "../format.js";
import { jobLink } from "../router.js";
import { Button, Segments } from "./controls.js";
import { Dialog } from "./dialog.js";
import { cancel, changeClass, hold, moveFirst, moveUp, pause, release, resume } from "./job_actions.js";
import { appName, CLASSES, kindWord, QUEUES, waitReason, waitWord } from "./job_words.js";
import { Rows } from "./table.js";
import { failed } from "./toast.js";

/** The id of the job whose menu is open. */
export const menuOf = signal(null);

const NARROW = matchMedia("(max-width: 720px)");

function useNarrow() {
  const [narrow, setNarrow] = useState(NARROW.matches);
  useEffect(() => {
    const look = () => setNarrow(NARROW.matches);
    NARROW.addEventListener("change", look);
    return () => NARROW.removeEventListener("change", look);
  }, []);
  return narrow;
}

export function WaitingJobs() {
  const narrow = useNarrow();
  const ids = waiting.value;
  const rows = queues.value?.queues ?? {};
  const paused = Object.keys(rows).filter((queue) => rows[queue].paused).join();
  const items = useMemo(() => withHeads(ids, paused ? paused.split(",") : []), [ids, paused]);
  if (!items.length) return null;
  return html`<section aria-label="Waiting jobs">
    <${Rows} items=${items} height=${narrow ? 62 : 42} label="Waiting jobs" render=${(item) =>
      item.head ? html`<${QueueHead} queue=${item.head} known=${item.known} />` : html`<${WaitingJob} id=${item.id} />`} />
    ${more.value && html`<p class="faint">Each queue shows the first 1,000 jobs that wait in it.</p>`}
    <${JobMenu} />
  </section>`;
}

/** A row for each queue that has jobs or is paused, before its jobs. */
function withHeads(ids, paused) {
  const items = [];
  const heads = {};
  const head = (queue) => {
    if (!heads[queue]) items.push((heads[queue] = { id: `queue ${queue}`, head: queue, known: 0 }));
    return heads[queue];
  };
  for (const id of ids) {
    const queue = entryOf(id)?.job.peek().queue;
    if (queue) head(queue).known += 1;
    items.push({ id });
  }
  for (const queue of paused) head(queue);
  return items;
}

/** `known`: jobs of it that are shown. The server's figure is older, but counts all. */
function QueueHead({ queue, known }) {
  const stats = queues.value?.queues?.[queue];
  const name = QUEUES[queue] ?? queue;
  const everything = queues.value?.paused;
  const waits = more.value ? Math.max(stats?.waiting ?? 0, known) : known;
  const classes = stats?.paused_classes ?? [];
  return html`<div class="queue-head">
    <h2>${name}</h2>
    <span class="count faint figures">${number(waits)} waiting</span>
    ${stats?.paused && html`<span class="badge accent">paused</span>`}
    ${!stats?.paused && classes.length > 0 && html`<span class="badge accent ellipsis">paused: ${classes.join(", ")}</span>`}
    <span class="grow"></span>
    ${stats?.paused && !everything
      ? html`<${Button} look="quiet" icon="play" onClick=${() => resume({ queue })}>Resume<//>`
      : !everything && html`<${Button} look="quiet" icon="pause" label=${`Pause ${name}`} onClick=${() => pause({ queue })}>Pause<//>`}
  </div>`;
}

function WaitingJob({ id }) {
  const entry = entryOf(id);
  if (!entry) return null;
  const job = entry.job.value;
  const place = entry.place.value;
  const held = job.waits_for === "held";
  const name = `${kindWord(job.kind)} of ${appName(job)}`;
  return html`<div class=${`waiting-job ${held ? "held" : ""}`} data-job=${id}>
    <span class="position figures" aria-label=${place?.position ? `Position ${place.position}` : "No position"}>${place?.position ?? "–"}</span>
    <div class="waiting-text">
      <a class="job-app ellipsis" href=${jobLink(id)}>${appName(job)}</a>
      <span class="what faint ellipsis">${kindWord(job.kind)} · ${shortModel(job.model)}</span>
      <span class="class faint">${job.service_class}</span>
      <span class=${`why faint ellipsis ${job.waits_for ?? ""}`} title=${waitReason(job)}>${waitWord(job)}</span>
    </div>
    <span class="job-eta figures faint" title="When it is expected to be done">${place?.eta === null || place?.eta === undefined ? "" : `in ${about(place.eta)}`}</span>
    <div class="job-buttons">
      <span class="wide-only">
        <${Button} look="quiet" icon="first" label=${`Move to the front: ${name}`} onClick=${() => moveFirst(id)} />
        ${held
          ? html`<${Button} look="quiet" icon="play" label=${`Release: ${name}`} onClick=${() => release(id)} />`
          : html`<${Button} look="quiet" icon="pause" label=${`Hold: ${name}`} onClick=${() => hold(id)} />`}
      </span>
      <${Button} look="quiet" icon="more" label=${`More: ${name}`} aria-haspopup="dialog" onClick=${() => (menuOf.value = id)} />
      <${Button} look="quiet" icon="cancel" label=${`Cancel: ${name}`} onClick=${() => cancel(id)} />
    </div>
  </div>`;
}

function JobMenu() {
  const id = menuOf.value;
  const entry = id && entryOf(id);
  if (!entry || entry.job.value.status !== "queued") return null;
  const job = entry.job.value;
  const close = () => (menuOf.value = null);
  const run = (action) => async () => {
    await action(id);
    close();
  };
  return html`<${Dialog} title=${`${kindWord(job.kind)} of ${appName(job)}`} onClose=${close}
    actions=${html`<${Button} onClick=${close}>Close<//>`}>
    <p class="faint">${waitReason(job)}</p>
    <div class="job-menu">
      <${Button} icon="first" onClick=${run(moveFirst)}>Move to the front<//>
      <${Button} icon="up" onClick=${run(moveUp)}>Move up<//>
      ${job.waits_for === "held"
        ? html`<${Button} icon="play" onClick=${run(release)}>Release<//>`
        : html`<${Button} icon="pause" onClick=${run(hold)}>Hold<//>`}
      <a class="button" href=${jobLink(id)} onClick=${close}>Show</a>
      <${Button} look="danger" icon="cancel" onClick=${run(cancel)}>Cancel job<//>
    </div>
    <div class="row wrap-row"><span class="faint">Class</span>
      <${Segments} label="Class" value=${job.service_class} options=${CLASSES} onChange=${(to) => changeClass(id, to).catch(failed)} />
    </div>
  <//>`;
}
