// All jobs that are kept, with filters.

import { html, useEffect, useRef, useState } from "../lib.js";
import { call } from "../api.js";
import { ended, waiting } from "../events.js";
import { clock, seconds, shortModel } from "../format.js";
import { useKeys } from "../keys.js";
import { models } from "../models.js";
import { Button, Field, Select } from "../parts/controls.js";
import { Heading } from "../parts/heading.js";
import { appName, errorText, KIND_OPTIONS, kindWord, STATUSES } from "../parts/job_words.js";
import { Spinner } from "../parts/progress.js";
import { Status } from "../parts/status.js";
import { Table } from "../parts/table.js";
import { jobLink, setQuery } from "../router.js";

const PAGE = 50;
const FILTERS = ["status", "kind", "app", "model", "id"];
/** Milliseconds after the last key before the list is asked for. */
const PATIENCE = 250;

export function View({ query }) {
  const wanted = Object.fromEntries(FILTERS.map((name) => [name, query.get(name) ?? ""]));
  const after = query.get("after") ?? "";
  const change = (values) => setQuery({ ...wanted, ...values });
  const [page, error, reload] = usePage(wanted, after);
  const fields = useRef(null);
  useKeys([{ keys: "/", text: "Filter", run: () => fields.current?.querySelector("select, input")?.focus() }], []);
  const filtered = FILTERS.some((name) => wanted[name]);
  return html`<${Heading} aside=${html`<${Button} icon="retry" onClick=${reload}>Refresh<//>`}>History<//>
    <form class="filters" role="search" ref=${fields} onSubmit=${(event) => event.preventDefault()}>
      <${Select} label="Status" value=${wanted.status} onChange=${(status) => change({ status })}
        options=${[["", "Any"], ...Object.entries(STATUSES)]} />
      <${Select} label="Kind" value=${wanted.kind} onChange=${(kind) => change({ kind })} options=${[["", "Any"], ...KIND_OPTIONS]} />
      <${Typed} label="App" value=${wanted.app} onChange=${(app) => change({ app })} />
      <${Typed} label="Model" value=${wanted.model} onChange=${(model) => change({ model })} list="history-models" />
      <${Typed} label="Id" value=${wanted.id} onChange=${(id) => change({ id })} placeholder="Part of an id" />
      ${filtered && html`<${Button} look="quiet" onClick=${() => setQuery({})}>Clear<//>`}
      <datalist id="history-models">${models.value.map((model) => html`<option key=${model.id} value=${model.id} />`)}</datalist>
    </form>
    ${error && html`<p class="error-text" role="alert">${error}</p>`}
    ${!page && !error && html`<${Spinner} />`}
    ${page &&
    html`<${Table} caption="Jobs" columns=${columnsOf(page.data)} rows=${page.data} rowKey=${(job) => job.id}
        empty=${filtered ? "No job fits." : "There are no jobs yet."} />
      <div class="pager">
        ${after && html`<${Button} onClick=${() => change({ after: "" })}>Newest<//>`}
        ${page.has_more && html`<${Button} onClick=${() => change({ after: page.last_id })}>Older<//>`}
      </div>`}`;
}

const COLUMNS = [
  { name: "status", text: "Status", cell: (job) => html`<${Status} status=${job.status} />` },
  { name: "app", text: "App", cell: (job) => html`<a class="job-app" href=${jobLink(job.id)}>${appName(job)}</a>` },
  { name: "kind", text: "Kind", cell: (job) => kindWord(job.kind) },
  { name: "model", text: "Model", cell: (job) => html`<span class="wrap" title=${job.model}>${shortModel(job.model)}</span>` },
  { name: "error", text: "Error", cell: (job) => html`<span class="error-text small wrap">${errorText(job)}</span>` },
  { name: "waited", text: "Waited", numeric: true, cell: (job) => seconds(job.timings.queued_seconds) },
  { name: "ran", text: "Ran", numeric: true, cell: (job) => seconds(job.timings.run_seconds) },
  { name: "created", text: "Created", numeric: true, cell: (job) => clock(job.timings.created_at) },
];

/** Errors have a column where there are any. */
const columnsOf = (jobs) => COLUMNS.filter(({ name }) => name !== "error" || jobs.some((job) => job.error));

/** The page of the list, the error, and what asks again. The newest page follows what happens. */
function usePage(wanted, after) {
  const [page, setPage] = useState(null);
  const [error, setError] = useState(null);
  const [count, setCount] = useState(0);
  const again = () => setCount((before) => before + 1);
  const key = JSON.stringify([wanted, after]);
  useEffect(() => {
    const abort = new AbortController();
    call("v1/jobs", { query: { ...wanted, after, limit: PAGE }, abort: abort.signal }).then(
      (body) => (setPage(body), setError(null)),
      (failure) => failure.name !== "AbortError" && setError(failure.message),
    );
    return () => abort.abort();
  }, [key, count]);
  useEffect(() => {
    if (after) return;
    let timer = 0;
    const stops = [ended, waiting].map((list) => list.subscribe(() => (timer ||= setTimeout(() => ((timer = 0), again()), 1000))));
    return () => (clearTimeout(timer), stops.forEach((stop) => stop()));
  }, [after]);
  return [page, error, again];
}

/** A field whose text counts when the typing has stopped. */
function Typed({ label, value, onChange, ...rest }) {
  const [text, setText] = useState(value);
  const timer = useRef(0);
  useEffect(() => setText(value), [value]);
  const input = (event) => {
    const typed = event.target.value;
    setText(typed);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => onChange(typed.trim()), PATIENCE);
  };
  return html`<${Field} label=${label}>${(attributes) =>
    html`<input type="search" autocomplete="off" ...${attributes} ...${rest} value=${text} onInput=${input} />`}<//>`;
}
