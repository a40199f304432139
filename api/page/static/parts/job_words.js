// What jobs are called on the page. It asks nothing of the server.

import { bytes, number, pace } from "../format.js";

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
  download: "Model is being fetched",
  paused: "Paused",
  worker: "No worker is running",
  policy: "Waits for its hours",
  model: "Model has to be loaded",
  turn: "Other jobs first",
};

/** Why a job waits, in a word or two. */
export const waitWord = (job) => WAITS[job.waits_for] ?? (job.waits_for ? job.waits_for.replaceAll("_", " ") : "");

/** The same in the server's words, which say more. */
export const waitReason = (job) => job.wait_reason || waitWord(job);

export const isEnded = (job) => job.status !== "queued" && job.status !== "in_progress";

/** Who asked for a job. */
export const appName = (job) => job.app || "Unnamed app";

/** The message of a job's error, which is an object or a text. */
export const errorText = (job) => (typeof job.error === "string" ? job.error : (job.error?.message ?? ""));

/** What a running job is doing. `live` is its last `progress` event, or null. */
export function doing(job, live) {
  if (job.cancelling) return "Cancelling";
  if (job.loading) return "Loading the model";
  const { progress = null, tokens_per_second: speed = null } = live ?? {};
  const fast = speed ? `, ${pace(speed)}` : "";
  if (!progress?.total || isRead(progress)) return fast ? `Writing${fast}` : "Running";
  const { done, total, unit, bytes_per_second: rate } = progress;
  switch (unit ?? "steps") {
    case "prompt_tokens":
      return `Reading the prompt, ${number(done)} of ${number(total)} tokens`;
    case "tokens":
      return `Writing, ${number(done)} tokens${fast}`;
    case "bytes":
      return `${bytes(done)} of ${bytes(total)}${rate ? `, ${bytes(rate)}/s` : ""}`;
    case "milliseconds":
      return `${number(Math.round(done / 1000))} of ${number(Math.round(total / 1000))} s of audio`;
    case "seconds":
      return `${number(Math.round(done))} of ${number(Math.round(total))} s of audio`;
    case "steps":
      return `Step ${done} of ${total}`;
    default:
      return `${number(done)} of ${number(total)} ${unit}`;
  }
}

/**
 * A job's share that is done, from 0 to 1, or null. The length of an answer is not known before its end: there the
 * time that has passed and that is left counts.
 */
export function share(live, lasted = null) {
  const progress = live?.progress;
  if (progress?.total && progress.unit !== "tokens" && !isRead(progress)) return progress.done / progress.total;
  const left = live?.eta ?? null;
  return left === null || !lasted ? null : lasted / (lasted + left);
}

const isRead = ({ unit, done, total }) => unit === "prompt_tokens" && done >= total;
