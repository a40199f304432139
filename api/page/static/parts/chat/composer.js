// Where a message is written: text, images and documents.

import { html, useEffect, useLayoutEffect, useRef, useState } from "../../lib.js";
import { composes } from "../../keys.js";
import { recall, remember } from "../../storage.js";
import { Button } from "../controls.js";
import { dataUrl, isPicture, shrunk } from "../pictures.js";
import { failed } from "../toast.js";
import { contentOf } from "./tree.js";

/** Bytes of a document; the body of a request has a limit of 10 MB as the server is set up. */
const LARGEST_FILE = 5_000_000;
const MOST = 16;
const DOCUMENTS = /\.(txt|md|csv|json|xml|html?|log|py|js|ts|c|h|cc|cpp|rs|go|java|rb|sh|ya?ml|toml|pdf)$/i;

/** On phones the Enter key makes a new line, as there is no Shift beside it. */
const touches = () => matchMedia("(pointer: coarse)").matches;

/**
 * `busy`: an answer is being made; then Escape calls `onStop`, and nothing is sent. `sees`: whether the model takes
 * images. `draftKey` names what is written, which outlives a reload.
 */
export function Composer({ busy, sees, disabled, draftKey, onSend, onStop }) {
  const [text, setText] = useState(() => recall("chat.draft", ""));
  const [parts, setParts] = useState([]);
  const [reading, setReading] = useState(0);
  const [over, setOver] = useState(false);
  const area = useRef(null);
  const picker = useRef(null);

  useEffect(() => {
    const timer = setTimeout(() => remember("chat.draft", text.length < 100_000 ? text : ""), 300);
    return () => clearTimeout(timer);
  }, [text]);
  useEffect(() => {
    if (!touches()) area.current.focus({ preventScroll: true });
  }, [draftKey]);
  useLayoutEffect(() => grow(area.current), [text]);

  const add = async (files) => {
    setReading((count) => count + 1);
    try {
      for (const file of files) {
        const part = await partOf(file);
        setParts((old) => [...old, part].slice(0, MOST));
      }
    } catch (error) {
      failed(error);
    } finally {
      setReading((count) => count - 1);
    }
  };
  const send = () => {
    if (busy || disabled || reading || (!text.trim() && !parts.length)) return;
    onSend(contentOf(text.trim(), parts));
    setText("");
    setParts([]);
    remember("chat.draft", "");
  };
  const key = (event) => {
    if (composes(event)) return;
    if (event.key === "Enter" && !event.shiftKey && !event.altKey && (!touches() || event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      send();
    }
  };
  const paste = (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length) return;
    event.preventDefault();
    add(files);
  };
  const drop = (event) => {
    setOver(false);
    if (!event.dataTransfer?.files.length) return;
    event.preventDefault();
    add([...event.dataTransfer.files]);
  };
  const dragOver = (event) => {
    if (![...(event.dataTransfer?.types ?? [])].includes("Files")) return;
    event.preventDefault();
    setOver(true);
  };
  return html`<form class=${`composer ${over ? "over" : ""}`} onSubmit=${(event) => (event.preventDefault(), send())}
    onDragOver=${dragOver} onDragLeave=${() => setOver(false)} onDrop=${drop}>
    ${parts.length > 0 &&
    html`<ul class="attachments" aria-label="Attached">${parts.map((part, index) => {
      const name = part.type === "image_url" ? `image ${index + 1}` : part.file.filename;
      return html`<li key=${index}>
        ${part.type === "image_url" ? html`<img src=${part.image_url.url} alt=${name} />` : html`<span class="chip">${name}</span>`}
        <${Button} look="quiet" class="small" icon="cancel" label=${`Remove ${name}`}
          onClick=${() => setParts((old) => old.filter((_, each) => each !== index))} />
      </li>`;
    })}</ul>`}
    ${!sees && parts.some(({ type }) => type === "image_url") && html`<p class="hint">This model takes text only: it does not see images.</p>`}
    <div class="composer-row">
      <input ref=${picker} type="file" multiple hidden
        onChange=${(event) => (add([...event.target.files]), (event.target.value = ""))} />
      <${Button} look="quiet" icon="add" label="Attach images or documents" onClick=${() => picker.current.click()} />
      <textarea ref=${area} rows="1" aria-label="Message" placeholder="Write a message" value=${text} disabled=${disabled}
        enterkeyhint=${touches() ? "enter" : "send"} onInput=${(event) => setText(event.target.value)} onKeyDown=${key} onPaste=${paste}></textarea>
      ${busy
        ? html`<${Button} look="primary" icon="stop" label="Stop (Escape)" onClick=${onStop} />`
        : html`<${Button} look="primary" icon="send" label="Send (Enter)" onClick=${send}
            disabled=${disabled || reading > 0 || (!text.trim() && !parts.length)} />`}
    </div>
  </form>`;
}

/** As high as its text, to the limit of the style sheet. */
function grow(area) {
  if (CSS.supports("field-sizing", "content")) return;
  area.style.height = "auto";
  area.style.height = `${area.scrollHeight}px`;
}

/** A file as a part of a message. Throws an Error that can be shown. */
async function partOf(file) {
  if (isPicture(file)) return { type: "image_url", image_url: { url: await shrunk(file) } };
  if (file.size > LARGEST_FILE) throw new Error(`${file.name} is too large: 5 MB at most.`);
  if (file.type !== "application/pdf" && !file.type.startsWith("text/") && !DOCUMENTS.test(file.name)) {
    throw new Error(`${file.name}: a chat takes images, texts and PDF files.`);
  }
  const url = await dataUrl(file);
  const type = file.type === "application/pdf" ? file.type : "text/plain";
  return { type: "file", file: { filename: file.name, file_data: `data:${type};base64,${url.split(",")[1]}` } };
}
