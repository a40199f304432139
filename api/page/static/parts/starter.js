// The way from nothing to the first answer: a model that fits this machine, its download, a chat.

import { html, signal, useEffect } from "../lib.js";
import { known, ofType } from "../models.js";
import { downloadOf } from "../downloads.js";
import { recommended, askRecommended } from "../recommended.js";
import { bytes } from "../format.js";
import { recall, remember } from "../storage.js";
import { Button } from "./controls.js";
import { Download, isInstalled } from "./download.js";
import { CATEGORIES } from "./job_words.js";

/** Models that come with mlxq, and are no real ones. */
const TOYS = new Set(["tiny-chat"]);

const dismissed = signal(recall("starter_done", false));
/** The model that was fetched here: the way goes on to its end although it is installed then. */
const chosen = signal(recall("starter_model", null));

const chats = () => ofType("llm").filter((model) => !TOYS.has(model.id));

/** Whether the way is to be shown: there is no chat model yet, or the first one has just come. */
export function useStarter() {
  useEffect(askRecommended, []);
  if (dismissed.value || !known.value) return false;
  return !chats().length || chosen.value !== null;
}

function finish() {
  dismissed.value = true;
  remember("starter_done", true);
}

export function Starter() {
  const rows = (recommended.value?.data ?? []).filter((row) => row.category === "llm" && row.fits);
  const going = rows.find((row) => downloadOf(row.id))?.id;
  useEffect(() => {
    if (going) choose(going);
  }, [going]);
  const here = chosen.value && isInstalled(chosen.value);
  const memory = recommended.value?.memory_bytes;
  return html`<section class="card starter" aria-labelledby="starter-title">
    <div class="spread"><h2 id="starter-title">Start here</h2>
      <${Button} look="quiet" icon="cancel" label="Close" onClick=${finish} /></div>
    <ol>
      <li><h3>Get a model</h3>
        <p class="faint">${memory
          ? `Models may take ${bytes(memory)} of this computer's memory. These are for chats:`
          : "These models are for chats:"}</p>
        <ul class="offers">${rows.map((row) => html`<${Offer} key=${row.id} row=${row} />`)}</ul>
        <p class="faint"><a href="#/models">More models</a> for ${Object.values(CATEGORIES).slice(1).join(", ").toLowerCase()}, and a search.</p>
      </li>
      <li><h3>Talk to it</h3>
        ${here
          ? html`<p><a class="button primary" href=${`#/chat?model=${encodeURIComponent(chosen.value)}`} onClick=${finish}>Chat with ${chosen.value}</a></p>`
          : html`<p class="faint">As soon as the model is here. Meanwhile <a href="#/chat?model=tiny-chat">tiny-chat</a>, a toy, shows how it works.</p>`}
      </li>
      <li><h3>Connect your apps</h3><p class="faint"><a href="#/connect">The lines to copy</a> for each of them.</p></li>
    </ol>
  </section>`;
}

function Offer({ row }) {
  return html`<li class="offer">
    <div class="grow"><div class="wrap">${row.id}</div>
      <div class="small faint">${row.size}${row.best ? ", recommended for this computer" : ""}</div>
    </div>
    <${Download} model=${row.id} look=${row.best ? "primary" : "plain"} />
  </li>`;
}

function choose(model) {
  if (chosen.peek() === model) return;
  chosen.value = model;
  remember("starter_model", model);
}
