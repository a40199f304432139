// The image jobs of this page: what is asked for, how far each is. They outlive the view and a reload.

import { signal } from "../../lib.js";
import { recall, remember } from "../../storage.js";
import { cancel, followPlace, submit, watch } from "../job.js";
import { failed, say } from "../toast.js";

/** Jobs whose settings this browser remembers. */
const REMEMBERED = 100;

/** What the form holds by default. Empty means that the model decides. */
export const USUAL = {
  prompt: "",
  negative: "",
  model: "",
  size: "auto",
  width: 1024,
  height: 1024,
  steps: "",
  guidance: "",
  seed: "",
  n: 1,
  strength: "",
};

/** The fields of the form; images are not part of it. */
export const form = signal({ ...USUAL, ...recall("images.form", {}) });

/** The image to start from: { blob, url, width, height, strokes } or null. */
export const source = signal(null);

/** Running jobs of this page, the newest first: { id, settings, version, … }. */
export const going = signal([]);

/** Changes when a job of this page has ended. */
export const finished = signal(0);

export function setForm(fields) {
  form.value = { ...form.value, ...fields };
  remember("images.form", form.value);
}

export function setSource(picture) {
  if (source.value) URL.revokeObjectURL(source.value.url);
  source.value = picture && { ...picture, url: URL.createObjectURL(picture.blob), strokes: [] };
}

export const setStrokes = (strokes) => {
  source.value = { ...source.value, strokes };
};

/** What this browser has asked for, by job: { id, settings, created }, the newest first. */
export const asked = () => recall("images.jobs", []);
export const settingsOf = (id) => asked().find((each) => each.id === id)?.settings ?? null;

export const sizeOf = ({ size, width, height }) => (size === "custom" ? `${width}x${height}` : size);

function fieldsOf(settings) {
  const { prompt, negative, model, steps, guidance, seed, n, strength } = settings;
  const fields = { prompt, model, size: sizeOf(settings), n: Number(n) || 1, response_format: "url" };
  if (negative.trim()) fields.negative_prompt = negative;
  for (const [name, value] of Object.entries({ steps, guidance, seed })) if (value !== "") fields[name] = Number(value);
  return { fields, strength: strength === "" ? undefined : Number(strength) };
}

/** Asks for images. `picture` and `mask` are PNG Blobs or null. */
export async function paint(settings, picture, mask) {
  const { fields, strength } = fieldsOf(settings);
  let sent;
  let path = "v1/images/generations";
  if (picture) {
    path = "v1/images/edits";
    sent = { body: new FormData() };
    for (const [name, value] of Object.entries({ ...fields, background: true, previews: true })) {
      sent.body.append(name, String(value));
    }
    if (strength !== undefined) sent.body.append("strength", String(strength));
    sent.body.append("image", picture, "image.png");
    if (mask) sent.body.append("mask", mask, "mask.png");
  } else {
    sent = { json: { ...fields, background: true, previews: true } };
  }
  const { id, warning } = await submit(path, sent);
  remember("images.jobs", [{ id, settings, created: Date.now(), open: true }, ...asked()].slice(0, REMEMBERED));
  follow(id, settings, warning);
}

/** Follows the jobs again that ran when the page was left. */
export function resume() {
  for (const { id, settings, open } of asked()) {
    if (open && !going.value.some((each) => each.id === id)) follow(id, settings, "");
  }
}

export function stop(job) {
  job.stopping = true;
  job.version.value += 1;
  cancel(job.id).catch((error) => {
    job.stopping = false;
    job.version.value += 1;
    failed(error);
  });
}

async function follow(id, settings, warning) {
  const job = { id, settings, warning, version: signal(0), state: "queued", progress: null, previews: [], place: null };
  going.value = [job, ...going.value];
  const end = followPlace(
    id,
    () => job.state === "queued",
    (place) => {
      job.place = place;
      job.version.value += 1;
    },
  );
  let error = null;
  try {
    for await (const { type, data } of watch(id)) {
      error = take(job, type, data);
      job.version.value += 1;
    }
  } catch (reason) {
    // A job that is not kept any more has nothing to show.
    error = reason.status === 404 ? null : reason.message;
  }
  end();
  remember(
    "images.jobs",
    asked().map((each) => (each.id === id ? { ...each, open: false } : each)),
  );
  going.value = going.value.filter((each) => each !== job);
  finished.value += 1;
  if (error) failed(new Error(error));
  else say("The images are ready.");
}

/** Takes an event into a job; gives the message of a failure. */
function take(job, type, data) {
  switch (type) {
    case "started":
    case "loaded":
      job.state = "running";
      break;
    case "loading":
      job.state = "loading";
      break;
    case "downloading":
      job.state = "downloading";
      job.progress = data;
      break;
    case "progress":
      job.state = "running";
      job.progress = data;
      break;
    case "preview":
    case "partial":
      job.previews[data.index] = data.url;
      break;
    case "requeued":
    case "downloaded":
      job.state = "queued";
      job.progress = null;
      break;
    case "reset":
      job.previews = [];
      job.progress = null;
      break;
    case "failed":
      return data.error?.message ?? "The job has failed.";
    case "expired":
      return "The job was not started in time.";
  }
  return null;
}
