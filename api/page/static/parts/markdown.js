// Markdown as nodes of the document. This is the one place where text becomes markup.
//
// Markup in the text stays text; what marked makes of the rest goes through DOMPurify as well. Images of other servers
// become links: nothing is fetched that was not clicked.

import { html, useLayoutEffect, useMemo, useRef } from "../lib.js";
import { Marked } from "../vendor/marked.js";
import DOMPurify from "../vendor/purify.js";
import { copyText } from "./controls.js";

const escaped = (text) =>
  text.replace(/[&<>"']/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" })[sign]);

const marked = new Marked({
  gfm: true,
  breaks: true,
  renderer: {
    html: ({ text }) => escaped(text),
    image: ({ href, text }) => `<a href="${escaped(href)}">${escaped(text || href)}</a>`,
  },
});

const ALLOWED = {
  RETURN_DOM_FRAGMENT: true,
  ALLOWED_TAGS:
    "a blockquote br code del em h1 h2 h3 h4 h5 h6 hr input li ol p pre s strong table tbody td th thead tr ul".split(" "),
  ALLOWED_ATTR: ["href", "class", "start", "align", "type", "checked", "disabled"],
};
/** Where links may lead. All others are text. */
const LINKS = /^(?:https?|mailto):/i;

/** The nodes of one block, such as a paragraph, a list or a piece of code. */
function nodes(block) {
  const fragment = DOMPurify.sanitize(marked.parser([block]), ALLOWED);
  for (const link of fragment.querySelectorAll("a")) {
    if (!LINKS.test(link.getAttribute("href") ?? "")) link.removeAttribute("href");
    link.target = "_blank";
    link.rel = "noopener noreferrer";
  }
  for (const input of fragment.querySelectorAll("input")) {
    input.type = "checkbox";
    input.disabled = true;
    input.ariaLabel = input.checked ? "done" : "not done";
  }
  for (const table of fragment.querySelectorAll("table")) wrapped(table, "scrolls");
  for (const code of fragment.querySelectorAll("pre")) withHead(code);
  return fragment;
}

function wrapped(node, name) {
  const wrapper = document.createElement("div");
  wrapper.className = name;
  wrapper.tabIndex = 0;
  node.replaceWith(wrapper);
  wrapper.append(node);
  return wrapper;
}

/** The language of a piece of code, and a button that copies it. */
function withHead(code) {
  const box = wrapped(code, "code-box");
  box.removeAttribute("tabindex");
  code.tabIndex = 0;
  const language = /language-(\S+)/.exec(code.firstElementChild?.className ?? "")?.[1] ?? "";
  const head = document.createElement("div");
  head.className = "code-head";
  const name = document.createElement("span");
  name.textContent = language;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button quiet small";
  button.textContent = "Copy";
  button.dataset.copies = "code";
  head.append(name, button);
  box.prepend(head);
}

async function copyCode(event) {
  const button = event.target.closest?.("button[data-copies]");
  if (!button) return;
  const code = button.closest(".code-box").querySelector("pre").textContent;
  button.textContent = await copyText(code).then(
    () => "Copied",
    () => "Not copied",
  );
  setTimeout(() => (button.textContent = "Copy"), 1500);
}

/** A block is made anew only when its text has changed: a long answer grows at its end. */
function Block({ block }) {
  const place = useRef(null);
  useLayoutEffect(() => place.current.replaceChildren(nodes(block)), [block.raw]);
  return html`<div ref=${place} class="block"></div>`;
}

export function Markdown({ text }) {
  const blocks = useMemo(() => marked.lexer(text).filter((token) => token.type !== "space"), [text]);
  return html`<div class="markdown" onClick=${copyCode}>
    ${blocks.map((block, index) => html`<${Block} key=${index} block=${block} />`)}
  </div>`;
}
