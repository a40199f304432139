// What is wrong, and the command that mends it.

import { html, useEffect, useState } from "../lib.js";
import { call } from "../api.js";
import { listen } from "../events.js";
import { Button, CopyButton } from "../parts/controls.js";
import { Heading } from "../parts/heading.js";
import { Icon } from "../parts/icons.js";
import { Spinner } from "../parts/progress.js";

/** Milliseconds between two looks. */
const PAUSE = 10_000;
const STATES = { ok: ["check", "In order"], warning: ["warning", "Warning"], error: ["warning", "Error"] };

export function View() {
  const [checks, setChecks] = useState(null);
  const [error, setError] = useState(null);
  const look = async () => {
    try {
      setChecks((await call("v1/checks")).data);
      setError(null);
    } catch (problem) {
      setError(problem.message);
    }
  };
  useEffect(() => {
    look();
    const timer = setInterval(() => document.hidden || look(), PAUSE);
    const end = listen((name) => name === "queues" && look());
    return () => {
      clearInterval(timer);
      end();
    };
  }, []);
  const wrong = checks?.filter((check) => check.state !== "ok").length;
  return html`<${Heading} aside=${html`<${Button} icon="retry" onClick=${look}>Check again<//>`}>Health<//>
    ${error && html`<p class="error-text" role="alert">${error}</p>`}
    ${!checks && !error && html`<${Spinner} />`}
    ${checks && html`<p class="faint" role="status">${wrong ? `${wrong} of ${checks.length} need attention.` : "All is in order."}</p>`}
    ${checks &&
    html`<ul class="checks">${checks.map(
      (check) => html`<li key=${`${check.name} ${check.text}`} class=${`card ${check.state}`}>
        <${Icon} name=${STATES[check.state][0]} />
        <div class="stack grow">
          <p><strong>${check.name}</strong> <span class="visually-hidden">${STATES[check.state][1]}:</span> ${check.text}</p>
          ${check.command && html`<div class="command"><code>${check.command}</code><${CopyButton} text=${check.command} label=${`Copy: ${check.command}`} /></div>`}
        </div>
      </li>`,
    )}</ul>`}`;
}
