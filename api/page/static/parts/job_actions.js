// What a person does to jobs and queues.

import { call } from "../api.js";
import { entryOf } from "../events.js";
import { go, jobLink } from "../router.js";
import { confirm } from "./dialog.js";
import { appName, kindWord } from "./job_words.js";
import { failed, toast } from "./toast.js";

const job = (id, verb = "") => `v1/jobs/${encodeURIComponent(id)}${verb && `/${verb}`}`;
const post = (path, query) => call(path, { method: "POST", query });

export const hold = (id) => post(job(id, "hold"));
export const release = (id) => post(job(id, "release"));
export const moveFirst = (id) => post(job(id, "move"), { to: "front" });
export const moveUp = (id) => post(job(id, "move"), { to: "up" });
export const changeClass = (id, to) => post(job(id, "class"), { service_class: to });

/** A running job has lost its work when it is cancelled, so that it is asked about. */
export async function cancel(id) {
  const known = entryOf(id)?.job.value;
  if (known?.status === "in_progress") {
    const sure = await confirm({
      title: "Cancel this job?",
      text: `${kindWord(known.kind)} of ${appName(known)} is running. What it has made so far may be lost.`,
      action: "Cancel job",
      danger: true,
    });
    if (!sure) return;
  }
  await post(job(id, "cancel"));
  const asked = await requestOf(id);
  const action = asked && !asked.has_files ? { text: "Run again", run: () => retry(id).catch(failed) } : null;
  toast("Cancelled.", { action });
}

/** What a job was asked: the body of `/v1/jobs/{id}/request`. Null where it is not kept any more, or hidden. */
export async function requestOf(id) {
  try {
    return await call(job(id, "request"));
  } catch {
    return null;
  }
}

/** Asks again what a job was asked that has ended. */
export async function retry(id) {
  const made = await post(job(id, "retry"));
  toast("It waits again.", { action: { text: "Show", run: () => go(jobLink(made.id)) } });
}

/** `queue` and `service_class` name what is paused, everything without them. */
export const pause = (what = {}) => post("v1/queue/pause", what);
export const resume = (what = {}) => post("v1/queue/resume", what);
