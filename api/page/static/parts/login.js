// Asks for the API key where the server needs one.

import { html, useState } from "../lib.js";
import { call, key, setKey } from "../api.js";
import { Input } from "./controls.js";

export function Login() {
  const [text, setText] = useState("");
  const [wrong, setWrong] = useState(key.value !== "");
  const [busy, setBusy] = useState(false);
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    setWrong(false);
    try {
      await call("v1/jobs", { query: { limit: 1 }, headers: { Authorization: `Bearer ${text.trim()}` } });
      setKey(text);
    } catch {
      setWrong(true);
    } finally {
      setBusy(false);
    }
  };
  return html`<main class="login"><form onSubmit=${submit}>
    <h1>mlxq</h1>
    <p>This server needs a key. It is kept until this tab is closed.</p>
    <${Input} label="API key" type="password" autocomplete="current-password" required value=${text} onInput=${setText} />
    <p class="error-text" role="alert">${wrong && "The server does not accept this key."}</p>
    <button class="button primary" aria-busy=${busy ? "true" : undefined}><span>Open</span></button>
  </form></main>`;
}
