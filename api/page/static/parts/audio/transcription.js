// The transcription of this page: its recording, its job, its text. It outlives the view, and its job a reload.

import { signal } from "../../lib.js";
import { recall, remember } from "../../storage.js";
import { cancel, followPlace, submit, watch } from "../job.js";
import { failed, say } from "../toast.js";

/**
 * { name, url, state, progress, text, result, error, job, warning }, or null. `url` is that of the recording in this
 * browser; after a reload there is none. `result` is the answer with its segments and words.
 */
export const work = signal(null);

const NOTHING = { url: null, state: "queued", progress: null, place: null, text: "", result: null, error: null, job: null };

function set(number, fields) {
  if (work.value?.number === number) work.value = { ...work.value, ...fields };
}

let last = 0;

/** Begins anew. `wanted` is { model, language, task, prompt }. */
export async function transcribe(file, wanted) {
  if (work.value?.url) URL.revokeObjectURL(work.value.url);
  const number = ++last;
  work.value = { ...NOTHING, number, name: file.name, url: URL.createObjectURL(file), state: "sending" };
  try {
    await attempt(number, file, wanted, ["segment", "word"]);
  } catch (error) {
    set(number, { state: "failed", error: error.message });
  }
}

async function attempt(number, file, wanted, granularities) {
  const body = new FormData();
  body.append("file", file, file.name);
  body.append("model", wanted.model);
  body.append("response_format", "verbose_json");
  for (const each of granularities) body.append("timestamp_granularities[]", each);
  if (wanted.language) body.append("language", wanted.language);
  if (wanted.prompt.trim()) body.append("prompt", wanted.prompt);
  body.append("background", "true");
  const path = wanted.task === "translate" ? "v1/audio/translations" : "v1/audio/transcriptions";
  const { id, warning } = await submit(path, { body });
  if (work.value?.number !== number) {
    await cancel(id);
    return;
  }
  set(number, { ...NOTHING, url: work.value.url, job: id, warning });
  remember("audio.transcription", { id, name: file.name });
  const error = await follow(number, id);
  // Some models know no times of words.
  const wordless = error?.code === "unsupported_value" && granularities.includes("word");
  if (wordless && work.value?.number === number) await attempt(number, file, wanted, ["segment"]);
}

/** Shows the transcription again that was there before a reload. */
export function resume() {
  const known = recall("audio.transcription", null);
  if (work.value !== null || !known) return;
  const number = ++last;
  work.value = { ...NOTHING, number, name: known.name, job: known.id };
  follow(number, known.id).catch(() => {
    if (work.value?.number === number) work.value = null;
    remember("audio.transcription", null);
  });
}

export function forget() {
  if (work.value?.url) URL.revokeObjectURL(work.value.url);
  work.value = null;
  remember("audio.transcription", null);
}

export const stop = () => work.value?.job && cancel(work.value.job).catch(failed);

/** Follows a job to its end; gives the error of a failure. */
async function follow(number, id) {
  const here = () => work.value?.number === number;
  const end = followPlace(
    id,
    () => here() && work.value.state === "queued",
    (place) => set(number, { place }),
  );
  try {
    for await (const { type, data } of watch(id)) {
      if (!here()) return null;
      if (type === "started" || type === "loaded") set(number, { state: "running" });
      else if (type === "loading" || type === "downloading") set(number, { state: type });
      else if (type === "requeued") set(number, { state: "queued", progress: null });
      else if (type === "reset") set(number, { text: "", progress: null });
      else if (type === "progress") set(number, { state: "running", progress: data });
      else if (type === "delta") set(number, { state: "running", text: work.value.text + data.text });
      else if (type === "completed") {
        set(number, { state: "done", result: data.result, text: data.result.text });
        say("The transcript is ready.");
      } else if (type === "cancelled") set(number, { state: "stopped" });
      else if (type === "failed" || type === "expired") {
        set(number, { state: "failed", error: data.error?.message ?? "The job was not started in time." });
        return data.error ?? null;
      }
    }
    return null;
  } finally {
    end();
  }
}
