// The log of all processes, as it is written.

import { html, useEffect, useMemo, useRef, useState } from "../lib.js";
import { request } from "../api.js";
import { events } from "../sse.js";
import { Button, Checkbox, CopyButton, Input, Select } from "../parts/controls.js";
import { Heading } from "../parts/heading.js";

/** Lines that are kept, and shown at most. */
const KEPT = 2000;
const SHOWN = 500;
const LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];
/** Always as long, as it is a column. */
const TIME = new Intl.DateTimeFormat("en", { hourCycle: "h23", hour: "2-digit", minute: "2-digit", second: "2-digit" });

export function View() {
  const [lines, setLines] = useState([]);
  const [error, setError] = useState(null);
  const [level, setLevel] = useState("INFO");
  const [process, setProcess] = useState("");
  const [words, setWords] = useState("");
  const [follows, setFollows] = useState(true);
  useEffect(() => tail(setLines, setError), []);
  const processes = useMemo(() => [...new Set(lines.map((line) => line.process))].sort(), [lines]);
  const shown = useMemo(() => {
    const least = LEVELS.indexOf(level);
    const wanted = words.trim().toLowerCase();
    return lines
      .filter(
        (line) =>
          LEVELS.indexOf(line.level) >= least &&
          (!process || line.process === process) &&
          (!wanted || line.text.toLowerCase().includes(wanted)),
      )
      .slice(-SHOWN);
  }, [lines, level, process, words]);
  const text = () => shown.map((line) => line.text).join("\n");
  return html`<${Heading} aside=${html`<${CopyButton} text=${text}>Copy all<//>
      <${Button} onClick=${() => setLines([])}>Clear<//>`}>Logs<//>
    <div class="filters">
      <${Select} label="At least" value=${level} options=${LEVELS} onChange=${setLevel} />
      <${Select} label="Process" value=${process} options=${[["", "All"], ...processes]} onChange=${setProcess} />
      <${Input} label="Words" type="search" value=${words} onInput=${setWords} />
      <${Checkbox} label="Follow" checked=${follows} onChange=${setFollows} />
    </div>
    ${error && html`<p class="error-text" role="alert">${error}</p>`}
    <${Lines} lines=${shown} follows=${follows} onLeave=${() => setFollows(false)} />`;
}

function Lines({ lines, follows, onLeave }) {
  const ref = useRef(null);
  useEffect(() => {
    if (follows && ref.current) ref.current.scrollTop = ref.current.scrollHeight;
  }, [lines, follows]);
  // An event of before may come when the lines are gone.
  const scrolled = ({ currentTarget: box }) => {
    if (follows && box.scrollHeight - box.scrollTop - box.clientHeight > 60) onLeave();
  };
  if (!lines.length) return html`<p class="empty">No such lines.</p>`;
  return html`<div ref=${ref} class="log-lines mono" tabindex="0" role="log" aria-live="off" aria-label="Lines" onScroll=${scrolled}><ol>
    ${lines.map(
      (line) => html`<li key=${line.id} class=${line.level.toLowerCase()}>
        <time>${TIME.format(new Date(line.time * 1000))}</time><span class="log-level">${line.level}</span><span
          class="log-process">${line.process}</span><span class="log-text">${message(line)}</span>
      </li>`,
    )}
  </ol></div>`;
}

/** The line without its beginning, which has columns of its own. */
function message(line) {
  const start = line.text.indexOf(`${line.level} ${line.process} `);
  return start < 0 ? line.text : line.text.slice(start + line.level.length + line.process.length + 2);
}

/** Reads on until the view is left, also over a restart of the server. */
function tail(setLines, setError) {
  const abort = new AbortController();
  const run = async () => {
    let last = null;
    let pending = [];
    let timer = 0;
    const flush = () => {
      timer = 0;
      const more = pending;
      pending = [];
      setLines((old) => [...old, ...more].slice(-KEPT));
    };
    while (!abort.signal.aborted) {
      try {
        const headers = last === null ? {} : { "Last-Event-ID": last };
        const answer = await request("v1/logs", { query: { follow: true, lines: 500 }, headers, abort: abort.signal });
        setError(null);
        for await (const event of events(answer)) {
          last = event.id ?? last;
          pending.push(JSON.parse(event.data));
          timer ||= setTimeout(flush, 100);
        }
      } catch (error) {
        if (abort.signal.aborted) return;
        setError(error.message);
        if (error.status === 401 || error.status === 403) return;
      }
      await new Promise((done) => setTimeout(done, 1500));
    }
  };
  run();
  return () => abort.abort();
}
