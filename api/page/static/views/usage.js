// What apps have used: tokens, images, audio, time, and what a cloud would have asked for it.

import { html, useEffect, useState } from "../lib.js";
import { call, request } from "../api.js";
import { number, seconds } from "../format.js";
import { Button, Segments, Select } from "../parts/controls.js";
import { Heading } from "../parts/heading.js";
import { kindWord } from "../parts/job_words.js";
import { Spinner } from "../parts/progress.js";
import { Table } from "../parts/table.js";
import { setQuery } from "../router.js";

const PERIODS = [
  ["7", "7 days"],
  ["30", "30 days"],
  ["90", "90 days"],
  ["365", "A year"],
];
const GROUPS = [
  ["day", "Day"],
  ["app", "App"],
  ["model", "Model"],
  ["kind", "Kind"],
];
const MEASURES = [
  ["requests", "Requests"],
  ["tokens", "Tokens"],
  ["device_seconds", "Time"],
  ["cost", "Cost"],
];

export function View({ query }) {
  const wanted = {
    period: query.get("period") ?? "30",
    by: query.get("by") ?? "day",
    measure: query.get("measure") ?? "requests",
  };
  const change = (values) => setQuery({ ...wanted, ...values });
  const [body, setBody] = useState(null);
  const [error, setError] = useState(null);
  const asked = { from: day(Number(wanted.period) - 1), to: day(0), group_by: wanted.by };
  useEffect(() => {
    const abort = new AbortController();
    call("v1/usage", { query: { ...asked, limit: 1000 }, abort: abort.signal }).then(
      (found) => (setBody(found), setError(null)),
      (failure) => failure.name !== "AbortError" && setError(failure.message),
    );
    return () => abort.abort();
  }, [wanted.period, wanted.by]);
  const csv = html`<${Button} icon="download" onClick=${() => save(asked)}>CSV<//>`;
  return html`<${Heading} aside=${csv}>Usage<//>
    <div class="filters">
      <${Select} label="Period" value=${wanted.period} onChange=${(period) => change({ period })} options=${PERIODS} />
      <${Segments} label="Rows" value=${wanted.by} onChange=${(by) => change({ by })} options=${GROUPS} />
      <${Segments} label="Bars" value=${wanted.measure} onChange=${(measure) => change({ measure })} options=${MEASURES} />
    </div>
    ${error && html`<p class="error-text" role="alert">${error}</p>`}
    ${!body && !error && html`<${Spinner} />`}
    ${body && html`<${Shown} body=${body} wanted=${wanted} />`}`;
}

function Shown({ body, wanted }) {
  const { by, measure } = wanted;
  const money = new Intl.NumberFormat(undefined, { style: "currency", currency: body.prices.currency });
  const value = (row) => (measure === "tokens" ? row.prompt_tokens + row.completion_tokens : (row[measure] ?? 0));
  const rows = by === "day" ? filled(body) : [...body.data].sort((a, b) => value(b) - value(a));
  const most = Math.max(...rows.map(value), 0);
  const written = (amount) => ({ cost: money.format(amount), device_seconds: seconds(amount) })[measure] ?? number(amount);
  const cost = (row) => (row.cost === null ? "–" : money.format(row.cost));
  const columns = [
    { name: "name", text: GROUPS.find(([name]) => name === by)[1], cell: (row) => html`<span class="wrap">${nameOf(row, by)}</span>` },
    { name: "bar", text: MEASURES.find(([name]) => name === measure)[1], cell: (row) => html`<${Bar} share=${most ? value(row) / most : 0} text=${written(value(row))} />` },
    { name: "requests", text: "Requests", numeric: true, cell: (row) => number(row.requests) },
    { name: "prompt", text: "Prompt", numeric: true, cell: (row) => number(row.prompt_tokens) },
    { name: "cached", text: "Cached", numeric: true, cell: (row) => number(row.cached_tokens) },
    { name: "answer", text: "Answer", numeric: true, cell: (row) => number(row.completion_tokens) },
    { name: "images", text: "Images", numeric: true, cell: (row) => number(row.images) },
    { name: "audio", text: "Audio", numeric: true, cell: (row) => (row.audio_seconds ? seconds(row.audio_seconds) : "0") },
    { name: "time", text: "Time", numeric: true, cell: (row) => seconds(row.device_seconds) },
    { name: "cost", text: "Cost", numeric: true, cell: cost },
  ];
  const shown = columns.filter(({ name }) => name !== { requests: "requests", device_seconds: "time", cost: "cost" }[measure]);
  return html`<${Totals} total=${body.total} cost=${cost(body.total)} />
    <${Table} caption="Usage" columns=${shown} rows=${by === "day" ? [...rows].reverse() : rows} rowKey=${(row) => row.id}
      empty="Nothing was used in this time." />
    <p class="small faint">Cost is what a cloud would have charged for the same, at the prices of ${body.prices.date}.${
      body.total.unpriced_requests ? ` ${number(body.total.unpriced_requests)} requests were to models without a price.` : ""}</p>`;
}

function Totals({ total, cost }) {
  const facts = [
    ["Requests", number(total.requests)],
    ["Failed", number(total.failed)],
    ["Tokens", number(total.prompt_tokens + total.completion_tokens)],
    ["From the cache", total.prompt_tokens ? `${Math.round((100 * total.cached_tokens) / total.prompt_tokens)}%` : "–"],
    ["Images", number(total.images)],
    ["Time", seconds(total.device_seconds)],
    ["Price in a cloud", cost],
  ];
  return html`<dl class="totals">${facts.map(([name, text]) => html`<div key=${name}><dt>${name}</dt><dd class="figures">${text}</dd></div>`)}</dl>`;
}

function Bar({ share, text }) {
  return html`<span class="usage-bar"><span class="fill" style=${{ width: `${Math.round(share * 100)}%` }}></span><span class="figures">${text}</span></span>`;
}

function nameOf(row, by) {
  const name = row[by];
  if (name === null || name === "") return by === "app" ? "Unnamed app" : "Other";
  return by === "kind" ? kindWord(name) : name;
}

/** From the first day with use on, days without any too, the oldest first. */
function filled(body) {
  const found = new Map(body.data.map((row) => [row.day, row]));
  const first = [...found.keys()].sort()[0];
  if (!first) return [];
  const days = [];
  const last = new Date(`${body.to}T12:00:00`);
  for (const at = new Date(`${first}T12:00:00`); at <= last; at.setDate(at.getDate() + 1)) {
    const name = iso(at);
    days.push(found.get(name) ?? empty(name));
  }
  return days;
}

const empty = (name) => ({
  ...{ id: name, day: name, requests: 0, prompt_tokens: 0, cached_tokens: 0, completion_tokens: 0, images: 0 },
  ...{ audio_seconds: 0, device_seconds: 0, cost: null },
});

const iso = (date) =>
  `${date.getFullYear()}-${String(date.getMonth() + 1).padStart(2, "0")}-${String(date.getDate()).padStart(2, "0")}`;

/** The day so many days ago. */
function day(ago) {
  const date = new Date();
  date.setDate(date.getDate() - ago);
  return iso(date);
}

async function save(asked) {
  const answer = await request("v1/usage", { query: { ...asked, format: "csv" } });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await answer.blob());
  link.download = `mlxq-usage-${asked.from}-${asked.to}.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
