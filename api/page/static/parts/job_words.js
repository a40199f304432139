// What jobs are called on the page. It asks nothing of the server.

import { bytes, number } from "../format.js";

const KINDS = {
  chat: "Chat",
  "chat.completion": "Chat",
  response: "Chat",
  message: "Chat",
  compaction: "Chat",
  completion: "Completion",
  text_completion: "Completion",
  generate: "Completion",
  embedding: "Embedding",
  rerank: "Ranking",
  transcription: "Transcription",
  translation: "Translation",
  speech: "Speech",
  image: "Image",
  load: "Load",
  unload: "Unload",
  download: "Download",
};

/** The kinds by which the server filters, with their names. */
export const KIND_OPTIONS = ["chat", "completion", "embedding", "rerank", "transcription", "translation", "speech", "image", "load", "unload", "download"].map(
  (kind) => [kind, KINDS[kind]],
);

export const kindWord = (kind) => KINDS[kind] ?? kind;

export const QUEUES = {
  llm: "Chat",
  image: "Images",
  tts: "Speech",
  asr: "Transcription",
  embedding: "Embeddings",
  download: "Downloads",
};

/** Of models: what they do. */
export const CATEGORIES = {
  llm: "Chat",
  image: "Images",
  tts: "Speech",
  asr: "Transcription",
  embedding: "Embeddings",
};

export const CLASSES = [
  ["interactive", "Interactive"],
  ["normal", "Normal"],
  ["background", "Background"],
];

export const STATUSES = {
  queued: "Waiting",
  in_progress: "Running",
  completed: "Done",
  failed: "Failed",
  cancelled: "Cancelled",
  expired: "Expired",
};

const WAITS = {
  held: "Held",
  download: "Its model is being fetched",
  paused: "Paused",
  worker: "No worker is running",
  model: "Its model has to be loaded",
  turn: "Its turn",
};

/** Why a job waits, in a few words. */
export const waitWord = (job) => WAITS[job.waits_for] ?? (job.waits_for ? job.waits_for.replaceAll("_", " ") : "");

export const isEnded = (job) => job.status !== "queued" && job.status !== "in_progress";

/** Who asked for a job. */
export const appName = (job) => job.app || "Unnamed app";

/** The message of a job's error, which is an object or a text. */
export const errorText = (job) => (typeof job.error === "string" ? job.error : (job.error?.message ?? ""));

/** What a running job is doing. `live` is its progress as events tell it, or null. */
export function doing(job, live) {
  if (job.cancelling) return "Cancelling";
  if (job.loading) return "Loading the model";
  const { progress = null, tokens_per_second: speed = null } = live ?? {};
  if (progress && !(progress.unit === "prompt_tokens" && progress.done >= progress.total)) {
    const { done, total, unit } = progress;
    if (unit === "prompt_tokens") return `Reading the prompt, ${number(done)} of ${number(total)} tokens`;
    if (unit === "bytes") {
      const pace = progress.bytes_per_second ? `, ${bytes(progress.bytes_per_second)}/s` : "";
      return `${bytes(done)} of ${bytes(total)}${pace}`;
    }
    if (unit === "seconds") return `${number(Math.round(done))} of ${number(Math.round(total))} s of audio`;
    if (total) return `${unit ? `${number(done)} of ${number(total)} ${unit}` : `Step ${done} of ${total}`}`;
  }
  if (speed) return `Writing, ${speed < 10 ? speed.toFixed(1) : Math.round(speed)} tokens/s`;
  return "Running";
}

/** A job's share that is done, from 0 to 1, or null. */
export function share(live) {
  const progress = live?.progress;
  if (!progress?.total || (progress.unit === "prompt_tokens" && progress.done >= progress.total)) return null;
  return progress.done / progress.total;
}
