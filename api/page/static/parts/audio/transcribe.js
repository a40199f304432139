// Transcribe: a recording, its transcript, subtitles.

import { html, useEffect, useRef, useState } from "../../lib.js";
import { about } from "../../format.js";
import { recall, remember } from "../../storage.js";
import { Button, CopyButton, Input, Segments, Select } from "../controls.js";
import { chosen, ModelHint, ModelSelect, useModels } from "../model_select.js";
import { Progress } from "../progress.js";
import { fileName, save } from "../save.js";
import { LANGUAGES } from "./languages.js";
import { Recorder } from "./recorder.js";
import { srt, vtt } from "./subtitles.js";
import { clockOf, Transcript } from "./transcript.js";
import { forget, resume, stop, transcribe, work } from "./transcription.js";

const USUAL = { model: "", language: "", task: "transcribe", prompt: "" };

export function Transcribe() {
  const models = useModels("asr");
  const [wanted, setWanted] = useState(() => ({ ...USUAL, ...recall("audio.transcribe", {}) }));
  const model = chosen(models, wanted.model);
  const busy = ["sending", "queued", "loading", "downloading", "running"].includes(work.value?.state);
  useEffect(resume, []);
  const set = (fields) => {
    const next = { ...wanted, ...fields };
    setWanted(next);
    remember("audio.transcribe", next);
  };
  return html`<div class="audio">
    <div class="stack">
      <${ModelHint} models=${models} what="transcription" />
      <${Recorder} label="A recording" disabled=${!model || busy} onFile=${(file) => model && transcribe(file, { ...wanted, model: model.id })} />
      ${models?.length > 0 && html`<${ModelSelect} models=${models} value=${model?.id} onChange=${(id) => set({ model: id })} />`}
      <${Select} label="Language of the recording" value=${wanted.language} options=${[["", "Automatic"], ...LANGUAGES]}
        onChange=${(language) => set({ language })} />
      <div class="field"><span class="hint">Transcript</span>
        <${Segments} label="Language of the transcript" value=${wanted.task} options=${[["transcribe", "As spoken"], ["translate", "In English"]]}
          onChange=${(task) => set({ task })} /></div>
      <${Input} label="Names and words that may occur" value=${wanted.prompt} onInput=${(prompt) => set({ prompt })} />
    </div>
    <${Result} />
  </div>`;
}

function Result() {
  const player = useRef(null);
  const now = work.value;
  if (now === null) return html`<p class="empty">The transcript of a recording appears here.</p>`;
  const { name, url, state, progress, text, result, error, warning, place } = now;
  const ended = ["done", "failed", "stopped"].includes(state);
  const base = fileName(name.replace(/\.[^.]*$/, ""), "recording");
  return html`<section aria-label="Transcript" class="stack">
    <div class="spread wrap-row">
      <h2 class="ellipsis">${name}</h2>
      ${ended && html`<${Button} look="quiet" icon="cancel" label="Close the transcript" onClick=${forget} />`}
    </div>
    ${url && html`<div class="player"><audio ref=${player} controls src=${url} aria-label="The recording"></audio></div>`}
    ${!ended &&
    html`<p class="hint" role="status">${stateOf(state, progress, place)}</p>
      <${Progress} value=${progress?.done} max=${progress?.total} label="Transcribed" />
      <div class="row"><${Button} icon="stop" disabled=${!now.job} onClick=${stop}>Cancel<//></div>`}
    ${state === "stopped" && html`<p class="hint">Cancelled.</p>`}
    ${error && html`<p class="error-text" role="alert">${error}</p>`}
    ${warning && html`<p class="hint">${warning}</p>`}
    ${result
      ? html`<div class="row wrap-row">
            <${CopyButton} text=${result.text}>Copy<//>
            <${Button} icon="download" onClick=${() => save(`${base}.txt`, `${result.text.trim()}\n`)}>Text<//>
            <${Button} icon="download" disabled=${!result.segments?.length}
              onClick=${() => save(`${base}.srt`, srt(result.segments), "application/x-subrip")}>SRT<//>
            <${Button} icon="download" disabled=${!result.segments?.length}
              onClick=${() => save(`${base}.vtt`, vtt(result.segments), "text/vtt;charset=utf-8")}>VTT<//>
            <span class="hint">${[result.language, result.duration && clockOf(result.duration)].filter(Boolean).join(" · ")}</span>
          </div>
          <${Transcript} key=${url} result=${result} player=${player} />`
      : text && html`<p class="said">${text}</p>`}
  </section>`;
}

function stateOf(state, progress, place) {
  if (state === "sending") return "Sending the recording …";
  if (state === "loading") return "Loading the model …";
  if (state === "downloading") return "Fetching the model …";
  if (state === "queued") {
    const facts = [place?.position && `place ${place.position}`, place?.eta && `about ${about(place.eta)}`].filter(Boolean);
    return `Waiting${facts.length ? `: ${facts.join(", ")}` : " …"}`;
  }
  return progress?.total ? `Transcribed ${Math.round((100 * progress.done) / progress.total)}%` : "Transcribing …";
}
