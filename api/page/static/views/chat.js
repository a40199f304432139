// Chat: conversations with any model that is here.

import { html, useEffect, useLayoutEffect, useRef, useState } from "../lib.js";
import { setQuery } from "../router.js";
import { composes, useKeys } from "../keys.js";
import { Button } from "../parts/controls.js";
import { Composer } from "../parts/chat/composer.js";
import { Conversations } from "../parts/chat/list.js";
import { Message } from "../parts/chat/message.js";
import { Options } from "../parts/chat/options.js";
import { begin, current, join, running, send, setModel, setOptions, startNew, stop } from "../parts/chat/session.js";
import { asJson, asMarkdown } from "../parts/chat/transfer.js";
import { branch } from "../parts/chat/tree.js";
import { Dialog } from "../parts/dialog.js";
import { Heading } from "../parts/heading.js";
import { chosen, ModelHint, ModelSelect, useModels } from "../parts/model_select.js";
import { fileName, save } from "../parts/save.js";
import { failed, toast } from "../parts/toast.js";

export function View({ query }) {
  const models = useModels("llm");
  const [dialog, setDialog] = useState(null);
  const [listed, setListed] = useState(false);
  const Phone = useRef(null);
  const conversation = current.value;
  const path = branch(conversation);
  const going = path.findLast(({ id }) => running.value.has(id));
  const model = chosen(models, conversation.model);
  const [job, wanted] = [query.get("job"), query.get("model")];

  useEffect(() => {
    begin()
      .then(() => job && join(job))
      .then(() => wanted && (startNew(), setModel(wanted)))
      .then(() => (job || wanted) && setQuery({}))
      .catch(failed);
  }, [job, wanted]);
  useEffect(() => {
    // The user may have chosen a model since this was drawn.
    if (!model || conversation.model === model.id || current.value.model !== conversation.model) return;
    if (path.length && conversation.model) toast(`${conversation.model} can't be used any more: ${model.id} answers from now on.`);
    setModel(model.id);
  }, [model?.id, conversation.id, conversation.model]);
  useEscape(going?.id, stop);
  useKeys([{ keys: "N", text: "New chat", run: () => startNew() }], []);

  const close = () => setDialog(null);
  const openPhone = async () => {
    Phone.current ??= (await import("../parts/chat/phone.js")).Phone;
    setDialog("phone");
  };
  return html`<div class=${`chat ${listed ? "listed" : ""}`}>
    <section class="chat-side" id="conversations" aria-label="Conversations"><${Conversations} onChosen=${() => setListed(false)} /></section>
    <div class="chat-main">
      <${Heading} aside=${html`
        ${models?.length > 0 && html`<${ModelSelect} hidden models=${models} value=${model?.id} onChange=${setModel} />`}
        <${Button} icon="settings" label="Parameters" class=${Object.keys(conversation.options).length ? "set" : ""}
          onClick=${() => setDialog("options")} />
        <${Button} icon="phone" label="Open on a phone" onClick=${openPhone} />
        <${Button} icon="download" label="Export" disabled=${!path.length} onClick=${() => setDialog("export")} />
        <${Button} class="list-button" icon="history" label="Conversations" aria-expanded=${listed ? "true" : "false"}
          aria-controls="conversations" onClick=${() => setListed(!listed)} />`}>Chat<//>
      <${ModelHint} models=${models} what="chats" />
      <${Messages} key=${conversation.id} path=${path} going=${going} />
      <${Composer} busy=${going !== undefined} sees=${model?.sees ?? true} disabled=${models !== null && !models.length}
        draftKey=${conversation.id} onSend=${(content) => send(content).catch(failed)} onStop=${() => going && stop(going.id)} />
    </div>
    ${dialog === "options" && html`<${Options} options=${conversation.options} onChange=${setOptions} onClose=${close} />`}
    ${dialog === "export" && html`<${Export} conversation=${conversation} onClose=${close} />`}
    ${dialog === "phone" && html`<${Phone.current} job=${going && (running.value.get(going.id).job ?? going.job)} onClose=${close} />`}
  </div>`;
}

/** Messages that are drawn at first. */
const PAGE = 30;

/** The messages, which stay at their end while they grow, unless the reader has scrolled up. */
function Messages({ path, going }) {
  const [shown, setShown] = useState(PAGE);
  const ref = useRef(null);
  const follows = useRef(true);
  useEffect(() => {
    const look = () => {
      const { scrollHeight, scrollTop, clientHeight } = document.scrollingElement;
      follows.current = scrollHeight - scrollTop - clientHeight < 80;
    };
    addEventListener("scroll", look, { passive: true });
    const grown = new ResizeObserver(() => follows.current && toEnd());
    grown.observe(ref.current);
    return () => {
      removeEventListener("scroll", look);
      grown.disconnect();
    };
  }, []);
  useLayoutEffect(() => {
    follows.current = true;
    toEnd();
  }, []);
  useLayoutEffect(() => {
    // The end of an answer moves nothing.
    if (!going) return;
    follows.current = true;
    toEnd();
  }, [going?.id]);
  const first = Math.max(0, path.length - shown);
  return html`<div ref=${ref} class="messages" role="log" aria-live="off" aria-label="Messages" aria-busy=${going ? "true" : "false"}>
    ${first > 0 && html`<${Button} look="quiet" onClick=${() => setShown(shown + 4 * PAGE)}>Earlier messages (${first})<//>`}
    ${path
      .slice(first)
      .map((message, index) => html`<${Message} key=${message.id} message=${message} last=${onlyResults(path, first + index)} />`)}
    ${!path.length && html`<p class="welcome">What would you like to know?</p>`}
  </div>`;
}

/** Whether nothing but results of tools follows. */
const onlyResults = (path, index) => path.slice(index + 1).every(({ role }) => role === "tool");

const toEnd = () => scrollTo({ top: document.scrollingElement.scrollHeight, behavior: "instant" });

function Export({ conversation, onClose }) {
  const name = fileName(conversation.title, "conversation");
  const markdown = () => save(`${name}.md`, asMarkdown(conversation), "text/markdown;charset=utf-8");
  const json = () => save(`${name}.json`, asJson(conversation), "application/json");
  return html`<${Dialog} title="Export the conversation" onClose=${onClose} actions=${html`
      <${Button} onClick=${onClose}>Cancel<//>
      <${Button} icon="download" onClick=${() => (markdown(), onClose())}>Markdown<//>
      <${Button} icon="download" onClick=${() => (json(), onClose())}>JSON<//>`}>
    <p>Markdown holds what is shown. JSON holds all versions and images, and can be imported here again.</p>
  <//>`;
}

/** Calls `run` with `id` at Escape, while there is an id. */
function useEscape(id, run) {
  useEffect(() => {
    if (!id) return undefined;
    const key = (event) => {
      if (event.key !== "Escape" || composes(event) || event.defaultPrevented) return;
      if (document.querySelector("dialog[open]")) return;
      event.preventDefault();
      run(id);
    };
    addEventListener("keydown", key);
    return () => removeEventListener("keydown", key);
  }, [id]);
}
