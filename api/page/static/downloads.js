// Downloads of models: those that run, by the events of jobs, and those that a person has paused in this browser.

import { computed, signal } from "./lib.js";
import { call } from "./api.js";
import { ended, entryOf, running, waiting } from "./events.js";
import { refresh } from "./models.js";
import { recall, remember } from "./storage.js";

/** Models whose download was paused here. The server keeps what there is of them. */
export const paused = signal(recall("paused_downloads", []));

function setPaused(models) {
  paused.value = models;
  remember("paused_downloads", models.length ? models : null);
}

const isDownload = (id) => entryOf(id)?.job.value.kind === "download";

/** Ids of download jobs that wait or run. */
export const active = computed(() => [...running.value, ...waiting.value].filter(isDownload));

/** The download of a model that waits or runs, as its entry in the store of events. */
export const downloadOf = (model) => active.value.map(entryOf).find((entry) => entry?.job.value.model === model);

/** How the last download of a model ended, as far as it is remembered. */
export const lastOf = (model) => ended.value.filter(isDownload).map(entryOf).find((entry) => entry?.job.value.model === model);

/** Fetches a model of the hub, or goes on with it. */
export async function pull(model) {
  setPaused(paused.value.filter((each) => each !== model));
  const answer = await call("v1/models/download", { json: { repo_id: model, background: true } });
  if (answer?.status === "already_installed") await refresh();
  return answer;
}

export async function pause(entry) {
  const { model } = entry.job.value;
  await call(`v1/jobs/${encodeURIComponent(entry.id)}/cancel`, { method: "POST" });
  setPaused([...new Set([...paused.value, model])]);
}

/** Ends a download and deletes what there is of it. */
export async function discard(model) {
  setPaused(paused.value.filter((each) => each !== model));
  const entry = downloadOf(model);
  if (entry) await call(`v1/jobs/${encodeURIComponent(entry.id)}/cancel`, { method: "POST" });
  try {
    await call(`v1/models/${encodeURIComponent(model)}`, { method: "DELETE" });
  } catch (error) {
    if (error.status !== 404) throw error;
  }
}
