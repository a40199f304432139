// The models that are here, their memory, and those that can be fetched.

import { html, useEffect, useState } from "../lib.js";
import { call } from "../api.js";
import { active } from "../downloads.js";
import { entryOf, machineOf, workers } from "../events.js";
import { bytes, clock, number } from "../format.js";
import { askKept, keep, kept } from "../kept.js";
import { known, models, refresh } from "../models.js";
import { Button } from "../parts/controls.js";
import { confirm } from "../parts/dialog.js";
import { Download } from "../parts/download.js";
import { Heading } from "../parts/heading.js";
import { HubSearch } from "../parts/hub_search.js";
import { CATEGORIES } from "../parts/job_words.js";
import { held, Memory } from "../parts/memory.js";
import { Spinner } from "../parts/progress.js";
import { Recommended } from "../parts/recommended.js";
import { Table } from "../parts/table.js";
import { toast } from "../parts/toast.js";
import { useKeys } from "../keys.js";

export function View() {
  useEffect(() => (void refresh(), void askKept()), []);
  useKeys([{ keys: "/", text: "Search for models", run: () => document.querySelector("#hub-search input")?.focus() }], []);
  return html`<${Heading}>Models<//>
    <section class="card" aria-labelledby="memory-title"><h2 id="memory-title">Memory</h2><${Memory} /><${InMemory} />
      <p class="small faint">Models that nobody uses leave after a while, or when another one needs the room: <a href="#/settings">settings</a>. Those
        that are kept stay, and are loaded when the server starts.</p></section>
    <${Downloads} />
    <section aria-labelledby="here-title"><h2 id="here-title">${workers.value.length > 1 ? "On these machines" : "On this machine"}</h2>
      ${known.value ? html`<${Table} caption="Models on this machine" columns=${COLUMNS} rows=${own()} rowKey=${(row) => row.id}
        empty="No model is installed." />` : html`<${Spinner} />`}
    </section>
    <${Recommended} />
    <${HubSearch} />`;
}

/** Without the rows of other names of a model. */
const own = () => models.value.filter((model) => model.id === model.root);

function InMemory() {
  const rows = held();
  if (!rows.length) return html`<p class="faint">No model is in memory. The first request loads its model.</p>`;
  return html`<${Table} caption="Models in memory" rows=${rows} rowKey=${(row) => `${row.worker} ${row.category} ${row.model}`} columns=${[
    { name: "model", text: "Model", cell: (row) => html`<span class="wrap">${row.model}</span>${row.error && html`<div class="error-text small">${row.error}</div>`}` },
    ...(workers.value.length > 1 ? [{ name: "machine", text: "Machine", cell: (row) => html`<span class="wrap">${machineOf(row.worker)}</span>` }] : []),
    { name: "type", text: "For", cell: (row) => CATEGORIES[row.category] ?? row.category },
    { name: "state", text: "State", cell: (row) => ({ loading: "Loading", loaded: "Loaded", error: "Failed" })[row.state] ?? row.state },
    { name: "memory", text: "Memory", numeric: true, cell: (row) => bytes(row.memory_bytes) },
    { name: "since", text: "Since", numeric: true, cell: (row) => (row.loaded_at ? clock(Date.parse(row.loaded_at) / 1000) : "–") },
    { name: "actions", text: "", numeric: true, cell: (row) => html`<span class="row model-actions">
      ${row.state === "loaded" && html`<${Keep} model=${row.model} />`}
      <${Button} label=${["Unload", row.model, ...where(row)].join(" ")} onClick=${() => unload(row.model, row.worker)}>Unload<//></span>` },
  ]} />`;
}

/** Words for the machine, where there are several. */
const where = (row) => (machineOf(row.worker) ? ["of", machineOf(row.worker)] : []);

function Downloads() {
  const entries = active.value.map(entryOf).filter(Boolean);
  if (!entries.length) return null;
  return html`<section aria-label="Downloads"><h2>Downloads</h2><ul class="offers">${entries.map(
    (entry) => html`<li class="offer" key=${entry.id}><div class="grow wrap">${entry.job.value.model}</div><${Download} model=${entry.job.value.model} /></li>`,
  )}</ul></section>`;
}

const COLUMNS = [
  { name: "model", text: "Model", cell: (row) => html`<span class="wrap">${row.id}</span>` },
  { name: "type", text: "For", cell: (row) => (row.endpoints?.[0] === "/v1/rerank" ? "Ranking" : (CATEGORIES[row.type] ?? row.type)) },
  { name: "context", text: "Context", numeric: true, cell: (row) => (row.context_length ? number(row.context_length) : "–") },
  { name: "size", text: "Size", numeric: true, cell: (row) => bytes(row.size_bytes) },
  { name: "actions", text: "", numeric: true, cell: (row) => html`<${ModelActions} model=${row} />` },
];

function Keep({ model }) {
  if (!kept.value) return null;
  const stays = kept.value.includes(model);
  return html`<${Button} look="quiet" icon="pin" class=${stays ? "set" : ""} aria-pressed=${stays ? "true" : "false"}
    label=${`Keep ${model} in memory`} onClick=${() => keep(model, !stays)}>${stays ? "Kept" : "Keep"}<//>`;
}

function ModelActions({ model }) {
  const there = model.status === "loaded" || model.status === "loading";
  return html`<span class="row model-actions">
    ${model.type === "llm" && html`<a class="button quiet" href=${`#/chat?model=${encodeURIComponent(model.id)}`}>Chat</a>`}
    ${!there && kept.value?.includes(model.id) && html`<${Keep} model=${model.id} />`}
    ${there
      ? html`<${Button} label=${`Unload ${model.id}`} onClick=${() => unload(model.id)}>Unload<//>`
      : html`<${Button} label=${`Load ${model.id}`} onClick=${() => load(model.id)}>Load<//>`}
    <${Button} look="quiet" icon="trash" label=${`Delete ${model.id}`} onClick=${() => remove(model)} />
  </span>`;
}

const path = (model, verb = "") => `v1/models/${encodeURIComponent(model)}${verb && `/${verb}`}`;

async function load(model) {
  const answer = await call(path(model, "load"), { method: "POST" });
  toast(answer?.message ?? `${model} is loaded.`);
  await refresh();
}

/** Of one worker, where it is named and there are several. */
async function unload(model, worker) {
  const one = worker && workers.value.length > 1 ? `?worker=${encodeURIComponent(worker)}` : "";
  await call(path(model, "unload") + one, { method: "POST" });
  await refresh();
}

async function remove(model) {
  const size = model.size_bytes ? ` ${bytes(model.size_bytes)} become free.` : "";
  const sure = await confirm({
    title: `Delete ${model.id}?`,
    text: `Its files are deleted.${size} It has to be fetched again to be used.`,
    action: "Delete",
    danger: true,
  });
  if (!sure) return;
  if (kept.value?.includes(model.id)) await keep(model.id, false);
  await call(path(model.id), { method: "DELETE" });
  toast(`${model.id} is deleted.`);
  await refresh();
}
