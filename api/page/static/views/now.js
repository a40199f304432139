// What runs and what waits.

import { html, useEffect, useState } from "../lib.js";
import { base, call } from "../api.js";
import { ended, entryOf, learn, lost, more, now, queues, ready, refused, running, until, waiting, workers } from "../events.js";
import { about, clock, number, seconds, shortModel } from "../format.js";
import { useKeys } from "../keys.js";
import { Button, Checkbox, CopyButton, Select } from "../parts/controls.js";
import { Dialog } from "../parts/dialog.js";
import { Heading } from "../parts/heading.js";
import { cancel, hold, moveFirst, moveUp, pause, release, resume, retry } from "../parts/job_actions.js";
import { appName, CLASSES, errorText, isEnded, kindWord, QUEUES } from "../parts/job_words.js";
import { Memory } from "../parts/memory.js";
import { Spinner } from "../parts/progress.js";
import { RunningJob } from "../parts/running_job.js";
import { Starter, useStarter } from "../parts/starter.js";
import { Status } from "../parts/status.js";
import { failed, say } from "../parts/toast.js";
import { menuOf, WaitingJobs } from "../parts/waiting_jobs.js";
import { jobLink } from "../router.js";

/** Jobs that are asked for, to show those that have ended before the page was opened. */
const RECENT = 20;

export function View() {
  const [pausing, setPausing] = useState(false);
  const starting = useStarter();
  useShortcuts();
  useAnnouncements();
  useEffect(() => {
    if (ready.value) call("v1/jobs", { query: { limit: RECENT } }).then(({ data }) => learn(data), () => {});
  }, [ready.value]);
  if (!ready.value) {
    return html`<${Heading}>Now<//>${refused.value
      ? html`<p class="error-text" role="alert">${refused.value.message}</p>`
      : html`<${Spinner} label="Connecting" />`}`;
  }
  const paused = queues.value?.paused;
  const aside = paused
    ? html`<${Button} look="primary" icon="play" onClick=${() => resume()}>Resume<//>`
    : html`<${Button} icon="pause" label="Pause everything" onClick=${() => pause()}>Pause<//>
        <${Button} look="quiet" icon="more" label="Pause a queue or a class" onClick=${() => setPausing(true)} />`;
  return html`<${Heading} aside=${aside}>Now<//>
    <${Summary} />
    <${Troubles} />
    ${starting && html`<${Starter} />`}
    ${running.value.length > 0 &&
    html`<section aria-label="Running jobs"><h2>Running</h2>
      ${running.value.map((id) => html`<${RunningJob} key=${id} id=${id} />`)}
    </section>`}
    <${WaitingJobs} />
    ${!running.value.length && !waiting.value.length && !starting && html`<${Idle} />`}
    <${Ended} />
    ${pausing && html`<${PauseDialog} onClose=${() => setPausing(false)} />`}`;
}

function Summary() {
  const [runs, waits] = [running.value.length, waiting.value.length];
  const count = more.value ? Object.values(queues.value?.queues ?? {}).reduce((sum, row) => sum + row.waiting, 0) : waits;
  const last = Math.max(...Object.values(until.value).map((eta) => eta ?? 0), 0);
  const text = runs || waits ? `${number(runs)} running, ${number(count)} waiting` : "Nothing is running";
  return html`<div class="summary">
    <p class="figures">${text}${waits > 0 && last > 0 && html`<span class="faint">, all done in ${last < 1 ? "a moment" : `about ${about(last)}`}</span>`}</p>
    <${Memory} brief />
  </div>`;
}

function Troubles() {
  const found = [];
  if (lost.value) found.push("There is no connection to the queue. This is how it was; it goes on by itself.");
  if (!workers.value.length) found.push("No worker is running. Jobs wait until one is there.");
  if (queues.value?.paused) found.push("Everything is paused. Requests are accepted and wait.");
  for (const worker of workers.value) found.push(...worker.trouble);
  if (!found.length) return null;
  return html`<ul class="notices">${[...new Set(found)].map((text) => html`<li key=${text}>${text}</li>`)}</ul>`;
}

function Idle() {
  const address = new URL("v1", base).href;
  return html`<section class="idle">
    <p>Requests of your apps appear here as soon as they come. The address of this server:</p>
    <div class="row wrap-row"><code class="address">${address}</code><${CopyButton} text=${address} label="Copy the address" /></div>
    <p class="faint"><a href="#/connect">Connect an app</a>, <a href="#/chat">chat</a>, or see <a href="#/models">the models</a>.</p>
  </section>`;
}

function Ended() {
  const ids = ended.value.slice(0, 8);
  if (!ids.length) return null;
  return html`<section aria-label="Ended jobs">
    <div class="spread"><h2>Ended</h2><a href="#/history">History</a></div>
    <ul class="ended">${ids.map((id) => html`<${EndedJob} key=${id} id=${id} />`)}</ul>
  </section>`;
}

/** Kinds that are asked for where models are. */
const MACHINERY = new Set(["load", "unload", "download"]);

function EndedJob({ id }) {
  const job = entryOf(id)?.job.value;
  if (!job) return null;
  return html`<li data-job=${id}>
    <${Status} status=${job.status} />
    <a class="job-app ellipsis" href=${jobLink(id)}>${appName(job)}</a>
    <span class="faint ellipsis what">${kindWord(job.kind)} · ${shortModel(job.model)}</span>
    <span class="error-text ellipsis grow">${errorText(job)}</span>
    <span class="faint figures lasted">${seconds(job.timings.run_seconds)}</span>
    <span class="faint figures when">${clock(job.timings.ended_at)}</span>
    <span class="again">${!MACHINERY.has(job.kind) &&
    html`<${Button} look="quiet" icon="retry" label=${`Run again: ${kindWord(job.kind)} of ${appName(job)}`} onClick=${() => retry(id)} />`}</span>
  </li>`;
}

function PauseDialog({ onClose }) {
  const [queue, setQueue] = useState("");
  const [kind, setKind] = useState("");
  const [requeue, setRequeue] = useState(false);
  const apply = async () => {
    await pause({ queue, service_class: kind, running: requeue ? "requeue" : "" });
    onClose();
  };
  const rows = Object.values(queues.value?.queues ?? {});
  const any = rows.some((row) => row.paused || row.paused_classes.length);
  return html`<${Dialog} title="Pause" onClose=${onClose} actions=${html`
      ${any && html`<${Button} icon="play" onClick=${async () => (await resume({ queue, service_class: kind }), onClose())}>Resume<//>`}
      <${Button} onClick=${onClose}>Cancel<//><${Button} look="primary" onClick=${apply}>Pause<//>`}>
    <${Select} label="Queue" value=${queue} onChange=${setQueue} options=${[["", "All queues"], ...Object.entries(QUEUES)]} />
    <${Select} label="Class" value=${kind} onChange=${setKind} options=${[["", "All classes"], ...CLASSES]} />
    <${Checkbox} label="Interrupt running jobs" checked=${requeue} onChange=${setRequeue}
      hint="They go back to their queue and begin again later. Otherwise they end first." />
  <//>`;
}

/** Keys for the job that has the focus, or whose link or button has it. */
function useShortcuts() {
  useKeys(
    [
      { keys: "j", text: "Next job", run: () => step(1) },
      { keys: "k", text: "Previous job", run: () => step(-1) },
      { keys: "t", text: "Move the job to the front", run: onFocused(moveFirst) },
      { keys: "e", text: "Move the job up", run: onFocused(moveUp) },
      { keys: "p", text: "Hold or release the job", run: onFocused((id) => (isHeld(id) ? release(id) : hold(id))) },
      { keys: "x", text: "Cancel the job", run: onFocused(cancel) },
      { keys: ".", text: "More about the job", run: onFocused(async (id) => (menuOf.value = id)) },
      { keys: "P", text: "Pause or resume everything", run: () => (queues.value?.paused ? resume() : pause()).catch(failed) },
    ],
    [],
  );
}

const isHeld = (id) => entryOf(id)?.job.value.waits_for === "held";

function onFocused(act) {
  return () => {
    const id = document.activeElement?.closest("[data-job]")?.dataset.job;
    const job = id && entryOf(id)?.job.value;
    if (job && !isEnded(job)) act(id).catch(failed);
  };
}

function step(by) {
  const all = [...document.querySelectorAll("main [data-job]")];
  const here = all.indexOf(document.activeElement?.closest("[data-job]"));
  const next = all[here < 0 ? (by > 0 ? 0 : all.length - 1) : here + by];
  next?.querySelector("a")?.focus();
}

/** Tells screen readers which jobs have ended, at most a sentence a second. */
function useAnnouncements() {
  useEffect(() => {
    const since = now();
    let known = new Set(ended.value);
    let fresh = [];
    let timer = 0;
    const tell = () => {
      timer = 0;
      const jobs = fresh.map((id) => entryOf(id)?.job.peek()).filter((job) => job?.timings.ended_at >= since);
      fresh = [];
      if (!jobs.length) return;
      if (jobs.length > 2) say(`${jobs.length} jobs have ended.`);
      else say(jobs.map((job) => `${kindWord(job.kind)} of ${appName(job)}: ${job.status}.`).join(" "));
    };
    const stop = ended.subscribe((ids) => {
      fresh.push(...ids.filter((id) => !known.has(id)));
      known = new Set(ids);
      if (fresh.length) timer ||= setTimeout(tell, 1000);
    });
    return () => (stop(), clearTimeout(timer));
  }, []);
}
