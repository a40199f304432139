// How programs use this server: the exact lines, and a test.

import { html, useMemo, useState } from "../lib.js";
import { base, call, key } from "../api.js";
import { models, ofType } from "../models.js";
import { Button, CopyButton, Segments, Select } from "../parts/controls.js";
import { Heading } from "../parts/heading.js";
import { seconds } from "../format.js";

const GROUPS = [
  ["agents", "Coding agents"],
  ["libraries", "Libraries"],
  ["apps", "Programs"],
];

export function View() {
  const [group, setGroup] = useState("agents");
  const [model, setModel] = useState("default");
  const chats = ofType("llm");
  const shown = useMemo(() => clients(target(model))[group], [group, model, models.value, key.value]);
  return html`<${Heading}>Connect<//>
    <section class="card stack addresses">
      <p>Programs for OpenAI's, Anthropic's, Ollama's or LM Studio's API work with these addresses. ${keyText()}</p>
      <dl class="facts">
        <dt>OpenAI</dt><dd><${Line} text=${`${server()}/v1`} name="the address for OpenAI's API" /></dd>
        <dt>Anthropic, Ollama</dt><dd><${Line} text=${server()} name="the address for Anthropic's and Ollama's API" /></dd>
        <dt>Key</dt><dd>${key.value ? "the one that you have entered" : "any text"}</dd>
      </dl>
      <${Try} model=${model} />
    </section>
    <div class="filters">
      <${Segments} label="Kind of program" value=${group} options=${GROUPS} onChange=${setGroup} />
      <${Select} label="Model" hidden value=${model} onChange=${setModel}
        options=${[["default", "The default model"], ...chats.map((each) => [each.id, each.id])]} />
    </div>
    <div class="clients stack">${shown.map(
      ({ name, text, note }) => html`<section key=${name} class="card stack">
        <div class="spread"><h2>${name}</h2><${CopyButton} text=${text} label=${`Copy the lines for ${name}`} /></div>
        <pre tabindex="0" aria-label=${`Lines for ${name}`}><code>${text}</code></pre>
        ${note && html`<p class="hint">${note}</p>`}
      </section>`,
    )}</div>`;
}

const server = () => base.href.replace(/\/$/, "");
const keyText = () =>
  key.value ? "The lines have KEY where your key goes." : "No key is needed here: where a program wants one, any text will do.";

function Line({ text, name }) {
  return html`<span class="row"><code class="wrap">${text}</code><${CopyButton} text=${text} look="quiet" label=${`Copy ${name}`} /></span>`;
}

/** Asks the model for a word, as any program would. */
function Try({ model }) {
  const [answer, setAnswer] = useState(null);
  const ask = async () => {
    setAnswer(null);
    const began = performance.now();
    const body = { model, max_tokens: 16, messages: [{ role: "user", content: "Say hello." }] };
    const { choices, model: used } = await call("v1/chat/completions", { json: body });
    setAnswer({ text: choices[0].message.content || "(an empty answer)", used, took: (performance.now() - began) / 1000 });
  };
  return html`<div class="row wrap-row">
    <${Button} look="primary" onClick=${ask}>Test<//>
    <p role="status" class="wrap">${answer && html`It works: ${answer.used === "default" ? "the default model" : answer.used} answered <q>${answer.text}</q> in ${seconds(answer.took)}.`}</p>
  </div>`;
}

function target(model) {
  return { url: server(), v1: `${server()}/v1`, key: key.value ? "KEY" : "any", model };
}

/** A text as a word of a shell. */
const word = (text) => (/^[\w./:@-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);
const lines = (...all) => all.filter((line) => line !== null).join("\n");

function clients({ url, v1, key: secret, model }) {
  const named = model === "default" ? "" : ` --model ${word(model)}`;
  const launch = (name) => `mlxq launch ${name}${named}`;
  const python = (text) => JSON.stringify(text);
  return {
    agents: [
      { name: "Claude Code", text: lines(`export ANTHROPIC_BASE_URL=${word(url)}`, `export ANTHROPIC_AUTH_TOKEN=${secret}`, `export ANTHROPIC_MODEL=${word(model)}`, "claude"), note: html`<code>${launch("claude")}</code> does the same on this machine, and tells it the length of the context.` },
      { name: "Codex", text: launch("codex"), note: html`On another machine, add <code>--url ${url}</code>.` },
      { name: "opencode", text: launch("opencode") },
      { name: "aider", text: lines(`export OPENAI_API_BASE=${word(v1)}`, `export OPENAI_API_KEY=${secret}`, `aider --model ${word(`openai/${model}`)}`), note: html`<code>${launch("aider")}</code> does the same.` },
      { name: "pi, Qwen Code, mini-swe-agent", text: lines(launch("pi"), launch("qwen"), launch("mini")) },
      { name: "MCP: tools for any agent", text: JSON.stringify({ mcpServers: { mlxq: { type: "http", url: `${url}/mcp` } } }, null, 2), note: "The agent can then draw, speak and transcribe with the models that are here." },
    ],
    libraries: [
      { name: "curl", text: lines(`curl ${word(`${v1}/chat/completions`)} \\`, "  -H 'Content-Type: application/json' \\", secret === "any" ? null : `  -H 'Authorization: Bearer ${secret}' \\`, `  -d ${word(JSON.stringify({ model, messages: [{ role: "user", content: "Hello" }] }))}`) },
      { name: "Environment", text: lines(`OPENAI_BASE_URL=${v1}`, `OPENAI_API_KEY=${secret}`), note: "Many programs need no more." },
      { name: "OpenAI for Python", text: lines("from openai import OpenAI", "", `client = OpenAI(base_url=${python(v1)}, api_key=${python(secret)})`, `answer = client.chat.completions.create(model=${python(model)}, messages=[{"role": "user", "content": "Hello"}])`, "print(answer.choices[0].message.content)") },
      { name: "OpenAI for JavaScript", text: lines('import OpenAI from "openai";', "", `const client = new OpenAI({ baseURL: ${python(v1)}, apiKey: ${python(secret)} });`) },
      { name: "Anthropic for Python", text: lines("from anthropic import Anthropic", "", `client = Anthropic(base_url=${python(url)}, api_key=${python(secret)})`) },
      { name: "Ollama for Python", text: lines("from ollama import Client", "", `client = Client(host=${python(url)})`) },
      { name: "LangChain", text: lines("from langchain_openai import ChatOpenAI", "", `chat = ChatOpenAI(model=${python(model)}, base_url=${python(v1)}, api_key=${python(secret)}, stream_usage=True)`) },
    ],
    apps: [
      { name: "Open WebUI", text: lines("docker run -d -p 3000:8080 \\", `  -e OPENAI_API_BASE_URL=http://host.docker.internal:${base.port || 80}/v1 -e OPENAI_API_KEY=${secret} \\`, "  ghcr.io/open-webui/open-webui:main"), note: "A container counts as another machine: it may use the installed models." },
      { name: "Programs for Ollama", text: `OLLAMA_HOST=${url}`, note: html`<code>OLLAMA_PORT=11434 mlxq serve</code> also answers where Ollama does, for programs that can't be told an address.` },
      { name: "Programs for LM Studio", text: url, note: "Set this as the address of the server." },
      { name: "Zed, Continue, Cline and others", text: lines(`Base URL: ${v1}`, `API key: ${secret}`, `Model: ${model}`), note: "Choose “OpenAI compatible” as the provider." },
    ],
  };
}
