// A message of a conversation: of the user, of the model, while it is made and afterwards, and results of tools.

import { html, useMemo, useRef, useState } from "../../lib.js";
import { about, number, pace, seconds } from "../../format.js";
import { composes } from "../../keys.js";
import { Button, CopyButton } from "../controls.js";
import { Markdown } from "../markdown.js";
import { Progress } from "../progress.js";
import { speed } from "./answer.js";
import { current, giveResult, OPEN, regenerate, resend, running, show, stop } from "./session.js";
import { attachmentsOf, branch, contentOf, siblings, textOf } from "./tree.js";

/** `message` is the same object as long as nothing of it has changed: then nothing of it is made anew. */
export function Message({ message, last }) {
  const beside = siblings(current.value, message);
  const going = running.value.get(message.id);
  const given = givenIn(message);
  const inner = useMemo(() => {
    if (message.role === "user") return html`<${User} message=${message} beside=${beside} />`;
    if (message.role === "tool") return html`<${ToolResult} message=${message} />`;
    if (going) return html`<${Live} going=${going} message=${message} />`;
    return html`<${Answer} message=${message} beside=${beside} last=${last} given=${given} />`;
  }, [message, going, last, given, beside.length]);
  const name = { user: "You", assistant: message.model || "Answer", tool: "Result of a tool" }[message.role];
  return html`<article class=${`message ${message.role}`} aria-label=${name} data-id=${message.id}>${inner}</article>`;
}

/** The ids of calls whose results are in the conversation, as a text. */
const givenIn = ({ calls }) =>
  calls?.length
    ? branch(current.value)
        .filter(({ call }) => call)
        .map(({ call }) => call)
        .join(" ")
    : "";

function User({ message, beside }) {
  const [edited, setEdited] = useState(null);
  const text = textOf(message.content);
  const attached = attachmentsOf(message.content);
  if (edited !== null) {
    const send = (event) => {
      event.preventDefault();
      setEdited(null);
      if (edited.trim() || attached.length) resend(message, contentOf(edited.trim(), attached));
    };
    const key = (event) => {
      if (composes(event)) return;
      if (event.key === "Escape") {
        event.stopPropagation();
        setEdited(null);
      }
      if (event.key === "Enter" && (event.metaKey || event.ctrlKey)) send(event);
    };
    return html`<form class="edit" onSubmit=${send}>
      <${Attachments} parts=${attached} />
      <textarea aria-label="Edit the message" value=${edited} onKeyDown=${key} ref=${focusOnce}
        onInput=${(event) => setEdited(event.target.value)}></textarea>
      <div class="actions">
        <${Button} onClick=${() => setEdited(null)}>Cancel<//>
        <button class="button primary"><span>Send</span></button>
      </div>
    </form>`;
  }
  return html`<div class="bubble">
      <${Attachments} parts=${attached} />
      ${text && html`<div class="said">${text}</div>`}
    </div>
    <div class="message-actions">
      <${Versions} message=${message} beside=${beside} />
      <${CopyButton} look="quiet" label="Copy the message" text=${text}>${null}<//>
      <${Button} look="quiet" icon="edit" label="Edit and send again" onClick=${() => setEdited(text)} />
    </div>`;
}

function focusOnce(area) {
  if (area && document.activeElement !== area) area.focus();
}

function Attachments({ parts }) {
  if (!parts.length) return null;
  return html`<div class="attachments">${parts.map((part, index) =>
    part.type === "image_url"
      ? html`<img key=${index} src=${part.image_url.url} alt=${`Image ${index + 1}`} />`
      : html`<span key=${index} class="chip">${part.file?.filename ?? "file"}</span>`,
  )}</div>`;
}

function ToolResult({ message }) {
  return html`<details class="call" open><summary>Result</summary><pre tabindex="0">${textOf(message.content)}</pre></details>`;
}

/** Another version of a message in its place. */
function Versions({ message, beside }) {
  if (beside.length < 2) return null;
  const at = beside.findIndex(({ id }) => id === message.id);
  return html`<span class="versions">
    <${Button} look="quiet" label="Version before" disabled=${at === 0} onClick=${() => show(beside[at - 1])}>‹<//>
    <span><span class="visually-hidden">Version </span>${at + 1}/${beside.length}</span>
    <${Button} look="quiet" label="Version after" disabled=${at === beside.length - 1} onClick=${() => show(beside[at + 1])}>›<//>
  </span>`;
}

function Answer({ message, beside, last, given }) {
  const { content, reasoning, calls, usage, finish, error, state, warning } = message;
  const facts = [
    message.model,
    usage && `${number(usage.completion_tokens)} tokens`,
    message.speed && pace(message.speed),
    usage?.prompt_tokens_details?.cached_tokens && `${number(usage.prompt_tokens_details.cached_tokens)} of ${number(usage.prompt_tokens)} prompt tokens from the cache`,
    state === "stopped" && "stopped",
    finish === "length" && "cut at its longest",
  ];
  return html`<${Thoughts} text=${reasoning} open=${false} />
    ${content && html`<${Markdown} text=${content} />`}
    <${Calls} message=${message} open=${last} given=${given} />
    ${!content && !calls?.length && !error && state !== OPEN && html`<p class="hint">${state === "stopped" ? "Stopped before its first word." : "An empty answer."}</p>`}
    ${error && html`<p class="error-text" role="alert">${error}</p>`}
    ${warning && html`<p class="hint">${warning}</p>`}
    <div class="message-actions">
      <${Versions} message=${message} beside=${beside} />
      ${content && html`<${CopyButton} look="quiet" label="Copy the answer" text=${content}>${null}<//>`}
      ${message.parent && html`<${Button} look="quiet" icon="retry" label="Answer again" onClick=${() => regenerate(message)} />`}
      <span class="facts">${facts.filter(Boolean).join(" · ")}</span>
    </div>`;
}

function Thoughts({ text, open, running: going }) {
  if (!text) return null;
  return html`<details class="thoughts" open=${open}>
    <summary>${going ? "Thinking …" : "Thoughts"}</summary>
    <div class="said">${text}</div>
  </details>`;
}

/** `open`: nothing but results follows; then the calls that are not among the `given` ones wait for theirs. */
function Calls({ message, open = false, given = "" }) {
  if (!message.calls?.length) return null;
  const known = new Set(given.split(" "));
  return message.calls.map(
    (call, index) => html`<${Call} key=${index} message=${message} call=${call} waits=${open && !known.has(call.id)} />`,
  );
}

function Call({ message, call, waits }) {
  const [result, setResult] = useState("");
  return html`<details class="call" open>
    <summary>Calls <code>${call.name}</code></summary>
    <pre tabindex="0">${pretty(call.arguments)}</pre>
    ${waits &&
    html`<form class="result" onSubmit=${(event) => (event.preventDefault(), giveResult(message, call.id, result))}>
      <input aria-label=${`Result of ${call.name}`} placeholder="Its result" value=${result}
        onInput=${(event) => setResult(event.target.value)} />
      <button class="button"><span>Give</span></button>
    </form>`}
  </details>`;
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** An answer that is being made. Only this is drawn again with each piece. */
function Live({ going, message }) {
  going.version.value;
  const { answer, place, stopping } = going;
  return html`<${Thoughts} text=${answer.reasoning} open=${answer.state === "thinking"} running=${answer.state === "thinking"} />
    ${answer.content && html`<${Markdown} text=${answer.content} />`}
    <${Calls} message=${{ ...message, calls: answer.calls }} />
    <div class="live-state">
      <${State} answer=${answer} place=${place} stopping=${stopping} />
      <${Button} icon="stop" class="small" disabled=${stopping} onClick=${() => stop(message.id)}>Stop<//>
    </div>`;
}

const STATES = { starting: "Starting", thinking: "Thinking", calling: "Writing a call", writing: "Writing" };

const REASONS = {
  held: "held",
  download: "its model is being fetched",
  paused: "the queue is paused",
  worker: "no worker is running",
  model: "its model is loaded next",
  turn: "others are before it",
};

function State({ answer, place, stopping }) {
  if (stopping) return html`<span class="state">Stopping …</span>`;
  const { state, progress } = answer;
  if (state === "queued") {
    const facts = [
      place?.position && `place ${place.position}`,
      place?.eta && `about ${about(place.eta)}`,
      REASONS[place?.reason],
    ].filter(Boolean);
    return html`<span class="state">Waiting${facts.length ? `: ${facts.join(", ")}` : " …"}</span>`;
  }
  if (state === "loading") return html`<span class="state">Loading ${answer.model} …</span>`;
  if ((state === "reading" || state === "downloading") && progress) {
    const what = state === "reading" ? `Reading ${number(progress.done)} of ${number(progress.total)} tokens` : "Fetching the model";
    const eta = progress.eta ? `, about ${seconds(progress.eta)}` : "";
    return html`<span class="state">${what}${eta}</span>
      <${Progress} value=${progress.done} max=${progress.total} label=${what} />`;
  }
  const rate = speed(answer);
  return html`<span class="state">${STATES[state] ?? "Starting"}${rate ? ` · ${pace(rate)}` : " …"}</span>`;
}
