// One job: its timeline, what was asked and answered, its files, what can be done with it.

import { html, useEffect, useState } from "../lib.js";
import { base, call, request } from "../api.js";
import { ended, entryOf, machineOf, running, waiting } from "../events.js";
import { about, moment, number, pace, seconds } from "../format.js";
import { useKeys } from "../keys.js";
import { Button, CopyButton, Segments } from "../parts/controls.js";
import { Heading } from "../parts/heading.js";
import { cancel, changeClass, hold, moveFirst, moveUp, release, requestOf, retry } from "../parts/job_actions.js";
import { appName, CLASSES, doing, errorText, isEnded, kindWord, share, waitReason } from "../parts/job_words.js";
import { answerOf, curl, promptOf } from "../parts/job_content.js";
import { Progress, Spinner } from "../parts/progress.js";
import { Picture, SaveLink, Sound } from "../parts/shown_file.js";
import { Status } from "../parts/status.js";
import { second } from "../parts/ticker.js";
import { failed } from "../parts/toast.js";
import { hidePrompts } from "../privacy.js";
import { events } from "../sse.js";

export function View({ path: [id] }) {
  const [job, setJob] = useState(null);
  const [error, setError] = useState(null);
  const [asked, setAsked] = useState(undefined);
  const [shown, setShown] = useState(!hidePrompts.value);
  const live = useLive(id, job);
  // An entry comes and goes with the lists.
  const entry = [running.value, waiting.value, ended.value] && entryOf(id);
  const told = entry?.job.value;
  const load = () =>
    call(`v1/jobs/${encodeURIComponent(id)}`).then(
      (body) => (setJob(body), setError(null)),
      (failure) => setError(failure.message),
    );
  useEffect(() => void load(), [id, told?.status, told?.service_class, told?.waits_for, told?.loading, told?.cancelling]);
  useEffect(() => void requestOf(id).then((body) => setAsked((before) => body ?? before ?? null)), [id]);
  useKeys([{ keys: "x", text: "Cancel the job", run: () => cancel(id).catch(failed) }], [id]);
  if (error) return html`<${Heading}>Job<//><p class="error-text" role="alert">${error}</p><p><a href="#/history">History</a></p>`;
  if (!job) return html`<${Heading}>Job<//><${Spinner} />`;
  const changed = async (action) => (await action, load());
  return html`<${Heading} aside=${html`<${Actions} job=${job} asked=${asked} changed=${changed} />`}>
      ${kindWord(job.kind)} of ${appName(job)}
    <//>
    <div class="job-page">
      <div class="stack">
        <${State} job=${job} entry=${entry} changed=${changed} />
        ${shown
          ? html`<${Asked} asked=${asked} job=${job} /><${Answer} job=${job} live=${live} />`
          : html`<div><${Button} onClick=${() => setShown(true)}>Show the request and the answer<//></div>`}
      </div>
      <aside class="stack" aria-label="Facts">
        <${Timeline} job=${job} live=${live} />
        <${Facts} job=${job} />
      </aside>
    </div>`;
}

function Actions({ job, asked, changed }) {
  const whole = asked && !asked.has_files;
  return html`
    ${whole && html`<${CopyButton} text=${() => curl(asked, base)} label="Copy as curl">Copy as curl<//>`}
    ${whole && isEnded(job) && html`<${Button} icon="retry" onClick=${() => retry(job.id)}>Run again<//>`}
    ${!isEnded(job) && html`<${Button} look="danger" icon="cancel" disabled=${job.cancelling} onClick=${() => changed(cancel(job.id))}>Cancel job<//>`}`;
}

function State({ job, entry, changed }) {
  const progress = entry?.progress.value;
  const place = entry?.place.value ?? job;
  if (job.status === "in_progress") {
    const lasted = job.timings.started_at ? Math.max(0, second.value - job.timings.started_at) : null;
    return html`<section class="card stack" aria-label="State">
      <div class="spread"><${Status} status=${job.status} />
        <span class="faint figures">${(progress ?? job).eta != null && `${about((progress ?? job).eta)} left`}</span></div>
      <${Progress} value=${share(progress ?? job, lasted)} label="Progress" />
      <p class="figures">${doing(job, progress ?? job)}</p>
    </section>`;
  }
  if (job.status === "queued") {
    const held = job.waits_for === "held";
    return html`<section class="card stack" aria-label="State">
      <div class="spread"><${Status} status=${job.status} /><span class="figures">${place.position && `Position ${place.position}`}${
        place.eta != null && html`<span class="faint">, done in about ${about(place.eta)}</span>`}</span></div>
      <p>${waitReason(job)}</p>
      <div class="row wrap-row">
        <${Button} icon="first" onClick=${() => changed(moveFirst(job.id))}>Move to the front<//>
        <${Button} icon="up" onClick=${() => changed(moveUp(job.id))}>Move up<//>
        ${held
          ? html`<${Button} icon="play" onClick=${() => changed(release(job.id))}>Release<//>`
          : html`<${Button} icon="pause" onClick=${() => changed(hold(job.id))}>Hold<//>`}
        <${Segments} label="Class" value=${job.service_class} options=${CLASSES}
          onChange=${(to) => changed(changeClass(job.id, to)).catch(failed)} />
      </div>
    </section>`;
  }
  return html`<section class=${job.error ? "card stack" : ""} aria-label="State"><${Status} status=${job.status} />
    ${job.error && html`<p class="error-text wrap">${errorText(job)}</p>`}
  </section>`;
}

function Asked({ asked, job }) {
  if (asked === undefined) return null;
  if (asked === null) {
    return html`<section><h2>Request</h2><p class="faint">${
      isEnded(job) ? "It is not kept any more." : "This server does not show requests."}</p></section>`;
  }
  return html`<section><h2>Request</h2>
    ${promptOf(asked).map(
      ({ role, text, more }, index) => html`<div class="asked" key=${index}>
        ${role && html`<div class="role small faint">${role}</div>`}<pre>${text}</pre>${more && html`<p class="small faint">${more}</p>`}
      </div>`,
    )}
    ${asked.has_files && html`<p class="small faint">Files came with it. They are deleted when the job ends: to run it again, send it again.</p>`}
    <details><summary>All fields</summary><pre class="code">${JSON.stringify(asked.body, null, 2)}</pre></details>
  </section>`;
}

function Answer({ job, live }) {
  const found = answerOf(job.result);
  const text = found.text || live.text;
  const reasoning = found.reasoning || live.reasoning;
  const files = found.files.length ? found.files : live.previews.slice(-1).map((url) => ({ url, kind: "image", preview: true }));
  if (!text && !reasoning && !files.length && !found.calls.length && !job.result) return null;
  return html`<section><div class="spread"><h2>Answer</h2>${text && html`<${CopyButton} text=${text} look="quiet" />`}</div>
    ${reasoning && html`<details><summary>Thinking</summary><pre class="faint">${reasoning}</pre></details>`}
    ${text && html`<pre class="answer">${text}</pre>`}
    ${found.calls.map((each, index) => html`<pre class="code" key=${index}>${each.name}(${each.arguments})</pre>`)}
    <div class="files">${files.map(
      ({ url, kind, preview }, index) =>
        kind === "audio"
          ? html`<div class="stack" key=${url}><${Sound} url=${url} label="Spoken answer" /><${SaveLink} url=${url} name=${`${job.id}-${index}`}>Save<//></div>`
          : html`<figure key=${url}><${Picture} url=${url} alt=${preview ? "Preview" : `Image ${index + 1}`} />
              ${!preview && html`<figcaption><${SaveLink} url=${url} name=${`${job.id}-${index}`}>Save<//></figcaption>`}</figure>`,
    )}</div>
    ${job.result && html`<details><summary>All fields</summary><pre class="code">${shortened(job.result)}</pre></details>`}
  </section>`;
}

/** JSON without long base64 texts and vectors. */
function shortened(result) {
  const short = (key, value) => {
    if (typeof value === "string" && value.length > 20_000) return `${value.slice(0, 60)}… (${number(value.length)} characters)`;
    if (Array.isArray(value) && value.length > 50 && typeof value[0] === "number") return [...value.slice(0, 8), `… ${number(value.length)} numbers`];
    return value;
  };
  return JSON.stringify(result, short, 2);
}

function Timeline({ job, live }) {
  const { created_at, started_at, ended_at } = job.timings;
  const steps = [
    ["Queued", created_at],
    ["Taken", started_at],
    ["Model loaded", live.loaded],
    ["First output", live.first],
    [isEnded(job) ? { completed: "Done" }[job.status] ?? job.status[0].toUpperCase() + job.status.slice(1) : null, ended_at],
  ].filter(([text, time]) => text && time);
  return html`<section><h2>Timeline</h2><ol class="timeline">${steps.map(
    ([text, time], index) => html`<li key=${text}><span>${text}</span>
      <time class="faint figures" datetime=${new Date(time * 1000).toISOString()}>${
        index ? `+ ${seconds(time - steps[index - 1][1])}` : moment(time)}</time></li>`,
  )}</ol></section>`;
}

function Facts({ job }) {
  const usage = job.result?.usage ?? {};
  const prompt = usage.prompt_tokens ?? usage.input_tokens;
  const answer = usage.completion_tokens ?? usage.output_tokens;
  const cached = usage.prompt_tokens_details?.cached_tokens ?? usage.input_tokens_details?.cached_tokens ?? usage.cache_read_input_tokens;
  const { queued_seconds, loading_seconds, run_seconds } = job.timings;
  const facts = [
    ["Model", job.model],
    ["App", appName(job)],
    ["Class", job.service_class],
    ["Waited", queued_seconds === null ? null : seconds(queued_seconds)],
    ["Loading", loading_seconds ? seconds(loading_seconds) : null],
    ["Ran", run_seconds === null ? null : seconds(run_seconds)],
    ["Prompt", prompt === undefined ? null : `${number(prompt)} tokens`],
    ["Cached", cached ? `${number(cached)} tokens` : null],
    ["Answer", answer === undefined ? null : `${number(answer)} tokens`],
    ["Speed", answer && run_seconds ? pace(answer / run_seconds) : null],
    ["Machine", machineOf(job.worker)],
    ["Attempts", job.attempts > 1 ? job.attempts : null],
    ["Id", job.id],
  ].filter(([, value]) => value !== null && value !== undefined && value !== "");
  return html`<section><h2>Facts</h2><dl class="facts">${facts.map(
    ([name, value]) => html`<dt key=${name}>${name}</dt><dd class="wrap figures">${value}</dd>`,
  )}</dl></section>`;
}

const NOTHING = { text: "", reasoning: "", previews: [], loaded: null, first: null };

/** What the job's own events tell: its text so far, previews, when it was loaded and when the first output came. */
function useLive(id, job) {
  const [live, setLive] = useState(NOTHING);
  useEffect(() => {
    if (!job) return;
    const abort = new AbortController();
    follow(id, abort.signal, setLive).catch(() => {});
    return () => abort.abort();
  }, [id, job !== null]);
  return live;
}

const TERMINAL = new Set(["completed", "failed", "cancelled", "expired"]);

/** Reads all events of a job, and connects again until it has ended. */
async function follow(id, abort, show) {
  let state = NOTHING;
  let last = null;
  let timer = 0;
  const later = () => {
    timer ||= setTimeout(() => ((timer = 0), !abort.aborted && show(state)), 100);
  };
  while (!abort.aborted) {
    try {
      const headers = last === null ? {} : { "Last-Event-ID": last };
      const answer = await request(`v1/jobs/${encodeURIComponent(id)}/events`, { abort, headers });
      if (answer.status === 204) return;
      for await (const event of events(answer)) {
        last = event.id ?? last;
        state = after(state, event);
        later();
        if (TERMINAL.has(event.name)) return;
      }
    } catch (error) {
      if (error.status >= 400 && error.status < 500) return;
    }
    await new Promise((done) => setTimeout(done, 1000));
  }
}

function after(state, { name, data, id }) {
  const time = Number(id?.split("-")[0]) / 1000 || null;
  if (name === "reset" || name === "requeued") return { ...NOTHING, loaded: state.loaded };
  if (name === "loaded") return { ...state, loaded: time };
  if (name === "audio") return { ...state, first: state.first ?? time };
  if (name !== "delta" && name !== "preview") return state;
  const event = JSON.parse(data);
  const begun = { ...state, first: state.first ?? time };
  if (name === "preview") return { ...begun, previews: [...state.previews, event.url] };
  if ((event.index ?? 0) !== 0 || event.field === "tool_call") return begun;
  const part = event.field === "reasoning" ? "reasoning" : "text";
  return { ...begun, [part]: state[part] + event.text };
}
