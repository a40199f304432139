// Settings that can be changed while the server runs, and those of this browser.

import { html, useEffect, useState } from "../lib.js";
import { call, key, setKey } from "../api.js";
import { enabled, setEnabled } from "../keys.js";
import { Button, Checkbox, Input, Select } from "../parts/controls.js";
import { confirm } from "../parts/dialog.js";
import { Heading } from "../parts/heading.js";
import { Spinner } from "../parts/progress.js";
import { failed, toast } from "../parts/toast.js";
import { hidePrompts, setHidePrompts } from "../privacy.js";

const LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];

/** `start`: it takes effect when the server starts again. */
const GROUPS = [
  {
    title: "Models",
    settings: [
      { name: "auto_unload_inactive_models", text: "Unload models that nobody uses", hint: "This frees their memory. The next request loads the model again." },
      { name: "model_inactivity_timeout_minutes", text: "Unload after", unit: "minutes", hint: "0: never. Requests can ask for another time with keep_alive." },
      { name: "max_concurrent_models", text: "Models in memory at once", hint: "Those that are loaded on demand. Kept models, and those of the server's environment, are not counted." },
      { name: "max_concurrent_requests", text: "Chats at once", start: true, hint: "How many requests a chat model works on together. More share the machine, and each is slower." },
      { name: "enable_gpu_acceleration", text: "Use the GPU", hint: "Counts for models that are loaded from now on." },
      { name: "huggingface_cache_dir", text: "Folder of downloaded models", start: true, hint: "Empty: the folder of the server's environment. Others have to lie below the data folder, HF_HOME or MODEL_ROOTS." },
    ],
  },
  {
    title: "Server",
    settings: [
      { name: "log_level", text: "Log", options: LEVELS, hint: "DEBUG tells most. Prompts and answers are never logged." },
      { name: "server_port", text: "Port", start: true, hint: "0: a free one." },
      { name: "bind_to_all_interfaces", text: "Other machines may connect", start: true, danger: "Without API_KEYS all machines of your network may use the installed models.", hint: "Set API_KEYS first: without keys, other machines may use the installed models." },
    ],
  },
];

export function View() {
  const [values, setValues] = useState(null);
  const [error, setError] = useState(null);
  useEffect(() => {
    call("v1/settings").then(setValues, setError);
  }, []);
  const change = async (setting, value) => {
    const question = setting.danger && value === true;
    if (question && !(await confirm({ title: setting.text, text: setting.danger, action: "Allow it", danger: true }))) {
      setValues((old) => ({ ...old }));
      return;
    }
    try {
      const changed = await call(`v1/settings/${setting.name}`, { method: "PUT", json: { value } });
      setValues((old) => ({ ...old, [setting.name]: changed.value }));
      toast(setting.start ? `${setting.text}: from the next start on.` : `${setting.text}: changed.`);
    } catch (problem) {
      failed(problem);
      setValues((old) => ({ ...old }));
    }
  };
  return html`<${Heading}>Settings<//>
    <div class="settings stack">
      ${error && html`<p class="error-text" role="alert">${error.message}</p>`}
      ${!values && !error && html`<${Spinner} />`}
      ${values &&
      GROUPS.map(
        ({ title, settings }) => html`<section key=${title} class="card stack">
          <h2>${title}</h2>
          ${settings.map(
            (setting) => html`<${Setting} key=${setting.name} setting=${setting} value=${values[setting.name]}
              onChange=${(value) => change(setting, value)} />`,
          )}
        </section>`,
      )}
      ${values && html`<${Restart} />`}
      <${Browser} />
    </div>`;
}

function Setting({ setting, value, onChange }) {
  const { text, hint, unit, options, start } = setting;
  const label = `${text}${unit ? ` (${unit})` : ""}`;
  const told = start ? `${hint} Takes effect at the next start.` : hint;
  if (typeof value === "boolean") return html`<${Checkbox} label=${label} hint=${told} checked=${value} onChange=${onChange} />`;
  if (options) return html`<${Select} label=${label} hint=${told} options=${options} value=${value} onChange=${onChange} />`;
  return html`<${Editable} label=${label} hint=${told} value=${value} onSave=${onChange} />`;
}

/** A number or a text, which is sent by Enter or the button. */
function Editable({ label, hint, value, onSave }) {
  const [text, setText] = useState(String(value));
  useEffect(() => setText(String(value)), [value]);
  const changed = text !== String(value);
  const whole = typeof value === "number";
  const save = (event) => {
    event.preventDefault();
    // What is in the field now: the last key may not have been drawn yet.
    const { value: written } = event.currentTarget.querySelector("input");
    if (written !== String(value)) onSave(whole ? Number(written) : written);
  };
  return html`<form class="setting-edit" onSubmit=${save}>
    <${Input} label=${label} hint=${hint} value=${text} inputmode=${whole ? "numeric" : undefined}
      pattern=${whole ? "[0-9]+" : undefined} required=${whole} onInput=${setText} />
    ${changed && html`<button class="button primary"><span>Save</span></button>`}
  </form>`;
}

function Restart() {
  const restart = async () => {
    const text = "Running jobs end or go back to their queue; none is lost. This page connects again by itself.";
    if (!(await confirm({ title: "Start again", text, action: "Start again" }))) return;
    await call("v1/system/restart", { method: "POST" });
    toast("The server starts again.");
  };
  return html`<section class="card spread">
    <p>Some settings take effect when the server starts again.</p>
    <${Button} onClick=${restart}>Start again<//>
  </section>`;
}

function Browser() {
  return html`<section class="card stack">
    <h2>This browser</h2>
    <${Checkbox} label="Hide prompts and answers of jobs" checked=${hidePrompts.value} onChange=${setHidePrompts}
      hint="A job's page shows them only after a click. The server keeps them only as long as the job." />
    <${Checkbox} label="Keyboard shortcuts" checked=${enabled.value} onChange=${setEnabled} hint="The key ? lists them." />
    ${key.value &&
    html`<div class="spread"><p>An API key is kept until this tab is closed.</p>
      <${Button} onClick=${() => setKey("")}>Forget the key<//></div>`}
  </section>`;
}
