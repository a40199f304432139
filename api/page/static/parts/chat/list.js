// The list of conversations: open, rename, delete, search, bring one in from a file.

import { html, useRef, useState } from "../../lib.js";
import { Button } from "../controls.js";
import { confirm, Dialog } from "../dialog.js";
import { failed } from "../toast.js";
import { current, discard, open, rename, rows, startNew, takeIn } from "./session.js";
import { fromJson } from "./transfer.js";

/** Rows that are drawn at first; more on demand. */
const PAGE = 60;

export function Conversations({ onChosen }) {
  const [search, setSearch] = useState("");
  const [shown, setShown] = useState(PAGE);
  const [renamed, setRenamed] = useState(null);
  const picker = useRef(null);
  const sought = search.trim().toLowerCase();
  const found = (rows.value ?? []).filter(({ title }) => !sought || title.toLowerCase().includes(sought));
  const bringIn = async (file) => {
    try {
      await takeIn(fromJson(await file.text()));
      onChosen();
    } catch (error) {
      failed(error);
    }
  };
  return html`<div class="conversations">
    <${Button} icon="add" onClick=${() => (startNew(), onChosen())}>New chat<//>
    ${(rows.value?.length ?? 0) > 8 &&
    html`<input type="search" aria-label="Search the titles" placeholder="Search" value=${search}
      onInput=${(event) => setSearch(event.target.value)} />`}
    <ul aria-label="Conversations">
      ${found.slice(0, shown).map((row) => html`<${Row} key=${row.id} row=${row} onChosen=${onChosen} onRename=${() => setRenamed(row)} />`)}
    </ul>
    ${found.length > shown && html`<${Button} look="quiet" onClick=${() => setShown(shown + PAGE)}>More<//>`}
    ${rows.value?.length === 0 && html`<p class="hint">Conversations are kept in this browser only.</p>`}
    <input ref=${picker} type="file" accept="application/json,.json" hidden
      onChange=${(event) => (event.target.files[0] && bringIn(event.target.files[0]), (event.target.value = ""))} />
    <div class="row">
      <${Button} look="quiet" class="small" onClick=${() => picker.current.click()}>Import<//>
      ${rows.value?.length > 0 && html`<${Button} look="quiet" class="small" onClick=${deleteAll}>Delete all<//>`}
    </div>
    ${renamed && html`<${Rename} row=${renamed} onClose=${() => setRenamed(null)} />`}
  </div>`;
}

function Row({ row, onChosen, onRename }) {
  const { id, title } = row;
  const choose = async () => {
    await open(id);
    onChosen();
  };
  const here = current.value.id === id;
  return html`<li class=${here ? "here" : ""}>
    <button type="button" class="title ellipsis" aria-current=${here ? "true" : undefined} onClick=${choose}>${title || "Untitled"}</button>
    <${Button} look="quiet" class="small" icon="edit" label=${`Rename ${title}`} onClick=${onRename} />
    <${Button} look="quiet" class="small" icon="trash" label=${`Delete ${title}`} onClick=${() => deleteOne(row)} />
  </li>`;
}

function Rename({ row, onClose }) {
  const [title, setTitle] = useState(row.title);
  const save = async (event) => {
    event.preventDefault();
    await rename(row.id, title.trim().slice(0, 200) || row.title);
    onClose();
  };
  return html`<${Dialog} title="Rename" onClose=${onClose}>
    <form class="stack" onSubmit=${save}>
      <input aria-label="Title" value=${title} onInput=${(event) => setTitle(event.target.value)} />
      <div class="actions">
        <${Button} onClick=${onClose}>Cancel<//>
        <button class="button primary"><span>Rename</span></button>
      </div>
    </form>
  <//>`;
}

async function deleteOne({ id, title }) {
  const sure = await confirm({
    title: "Delete this conversation?",
    text: `“${title}” is deleted from this browser. It can't be brought back.`,
    action: "Delete",
    danger: true,
  });
  if (sure) await discard([id]);
}

async function deleteAll() {
  const ids = rows.value.map(({ id }) => id);
  const sure = await confirm({
    title: "Delete all conversations?",
    text: `${ids.length} conversations are deleted from this browser. They can't be brought back.`,
    action: "Delete all",
    danger: true,
  });
  if (sure) await discard(ids);
}
