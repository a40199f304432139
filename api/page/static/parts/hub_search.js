// A search of the hub, with what fits this machine.

import { html, useRef, useState } from "../lib.js";
import { call } from "../api.js";
import { bytes, number } from "../format.js";
import { Checkbox, Input, Select } from "./controls.js";
import { Download } from "./download.js";
import { CATEGORIES } from "./job_words.js";
import { Spinner } from "./progress.js";
import { Table } from "./table.js";

const SORTS = [
  ["downloads", "Most downloaded"],
  ["trending_score", "Trending"],
  ["likes", "Most liked"],
  ["last_modified", "Newest"],
];

export function HubSearch() {
  const [query, setQuery] = useState("");
  const [category, setCategory] = useState("");
  const [sort, setSort] = useState("downloads");
  const [fitting, setFitting] = useState(true);
  const [found, setFound] = useState(null);
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const last = useRef(null);

  const search = async (values = {}) => {
    last.current?.abort();
    const abort = (last.current = new AbortController());
    setBusy(true);
    setError(null);
    try {
      const asked = { query, category, sort, limit: 50, ...values };
      setFound(await call("v1/hub/models", { query: asked, abort: abort.signal }));
    } catch (failure) {
      if (failure.name !== "AbortError") setError(failure.message);
    } finally {
      if (last.current === abort) setBusy(false);
    }
  };
  const again = (set, name) => (value) => (set(value), found && search({ [name]: value }));
  const rows = (found?.data ?? []).filter((row) => !fitting || row.fits !== false);
  return html`<section aria-labelledby="search-title" id="hub-search"><h2 id="search-title">Search the hub</h2>
    <form class="filters" role="search" onSubmit=${(event) => (event.preventDefault(), search())}>
      <div class="grow"><${Input} label="Name" type="search" value=${query} onInput=${setQuery} placeholder="qwen3 4bit" /></div>
      <${Select} label="For" value=${category} onChange=${again(setCategory, "category")} options=${[["", "Anything"], ...Object.entries(CATEGORIES)]} />
      <${Select} label="Order" value=${sort} onChange=${again(setSort, "sort")} options=${SORTS} />
      <${Checkbox} label="Fits this machine" checked=${fitting} onChange=${setFitting} />
      <button class="button" aria-busy=${busy ? "true" : undefined}><span>Search</span></button>
    </form>
    ${error && html`<p class="error-text" role="alert">${error}</p>`}
    ${busy && !found && html`<${Spinner} label="Searching" />`}
    <div aria-live="polite" class="visually-hidden">${found && !busy && `${rows.length} models found.`}</div>
    ${found && html`<${Table} caption="Models of the hub" rows=${rows} rowKey=${(row) => row.id} columns=${COLUMNS}
      empty=${found.data.length ? "None of these fits this machine." : "Nothing was found."} />`}
  </section>`;
}

const COLUMNS = [
  { name: "model", text: "Model", cell: (row) => html`<span class="wrap">${row.id}</span>` },
  { name: "type", text: "For", cell: (row) => CATEGORIES[row.category] ?? "–" },
  { name: "size", text: "Size", numeric: true, cell: (row) => bytes(row.size_bytes) },
  { name: "fits", text: "Fits", cell: (row) => ({ true: "Yes", false: "Too large" })[row.fits] ?? "Unknown" },
  { name: "downloads", text: "Downloads", numeric: true, cell: (row) => number(row.downloads) },
  { name: "actions", text: "", numeric: true, cell: (row) => (row.fits === false ? "" : html`<${Download} model=${row.id} />`) },
];
