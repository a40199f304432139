// What goes on, from `/v1/events` (docs/page.md): jobs, their order, queues, workers. It shows nothing.

import { batch, computed, effect, signal } from "./lib.js";
import { ApiError, base, key, locked, request } from "./api.js";
import { events } from "./sse.js";

/** Ended jobs that are remembered. */
const KEPT = 30;
/** Milliseconds for which events are collected before the page changes. */
const FLUSH = 20;
/** Milliseconds without a byte after which a connection is lost: the server writes every four seconds. */
const SILENCE = 12_000;
/** Milliseconds after which a tab that is not looked at lets its connection go: browsers have few for one server. */
const DOZES = 60_000;
/** Milliseconds without a connection that nobody needs to be told of. */
const SHORT = 2000;

/** Whether the store is up to date. */
export const connected = signal(false);
/** Whether there has been no connection for a while: what is shown is how it was. */
export const lost = signal(false);
/** Why there are no events, where it is no matter of the connection: an ApiError. */
export const refused = signal(null);
/** True as soon as there was a snapshot. */
export const ready = signal(false);
/** The body of `/v1/queue/stats`. */
export const queues = signal(null);
export const workers = signal([]);

/** The machine of a worker where there are several workers, else nothing. Of two on one machine it is their names. */
export function machineOf(name) {
  const worker = workers.value.find((each) => each.name === name);
  if (!worker || workers.value.length < 2) return "";
  return workers.value.some((each) => each !== worker && each.host === worker.host) ? name : worker.host;
}
/** Changes when models come and go. */
export const modelsRevision = signal("");
/** Whether there are more jobs than are told of. */
export const more = signal(false);

/** Ids: of running jobs, the oldest first; of those that wait, in their order; of ended ones, the newest first. */
export const running = signal([]);
export const waiting = signal([]);
export const ended = signal([]);

/** Server time less browser time, in seconds. */
export const skew = signal(0);
export const now = () => Date.now() / 1000 + skew.value;

/**
 * Of each job that is known `{id, job, progress, place}`; the last three are signals: of the job's fields, of the last
 * `progress` event or null, of `{position, eta}` or null.
 */
const entries = new Map();
export const entryOf = (id) => entries.get(id);

/** Seconds until the last job of each queue has ended, where that is known. */
export const until = signal({});

export const everyJob = computed(() => running.value.length + waiting.value.length);

const listeners = new Set();

/** `run(name, data)` is called for each event from now on; gives the function that ends that. */
export function listen(run) {
  listeners.add(run);
  return () => listeners.delete(run);
}

const orders = new Map();
let last = null;
let collected = [];
let timer = 0;
let started = false;
/** True while nobody looks at this tab. */
const asleep = signal(false);

/** Connects, and stays connected as long as the page is there. */
export async function start() {
  if (started) return;
  started = true;
  let pause = 500;
  for (;;) {
    try {
      await connection();
      pause = 500;
    } catch (error) {
      refused.value = error instanceof ApiError && error.status >= 400 && error.status < 500 ? error : null;
      if (refused.value) pause = 10_000;
    }
    connected.value = false;
    // Who has entered a key does not wait.
    if (!locked.value) await new Promise((done) => setTimeout(done, pause));
    await when(() => !locked.value && !asleep.value);
    pause = Math.min(5000, pause * 1.7);
  }
}

/** Resolves as soon as a condition of signals is true. */
function when(condition) {
  let stop = () => {};
  const done = new Promise((resolve) => {
    stop = effect(() => {
      if (condition()) resolve();
    });
  });
  return done.then(stop);
}

let current = null;

/** Forgets all and connects again: the key is another one. */
export function restart() {
  last = null;
  current?.abort();
}

async function connection() {
  current = new AbortController();
  const abort = current;
  let silence = setTimeout(() => abort.abort(), SILENCE);
  const heard = () => {
    clearTimeout(silence);
    silence = setTimeout(() => abort.abort(), SILENCE);
  };
  try {
    const headers = { Accept: "text/event-stream", ...(last === null ? {} : { "Last-Event-ID": last }) };
    const answer = await request("v1/events", { headers, abort: abort.signal });
    refused.value = null;
    for await (const event of events(answer, heard)) {
      if (event.id !== null) last = event.id;
      const data = JSON.parse(event.data);
      if (event.name === "end") return;
      collect(event.name, data);
      connected.value = true;
    }
  } finally {
    clearTimeout(silence);
    abort.abort();
  }
}

function collect(name, data) {
  collected.push([name, data]);
  timer ||= setTimeout(flush, name === "snapshot" ? 0 : FLUSH);
}

function flush() {
  timer = 0;
  const all = collected;
  collected = [];
  batch(() => {
    let changed = false;
    for (const [name, data] of all) changed = (APPLY[name]?.(data) ?? false) || changed;
    if (changed) list();
  });
  for (const [name, data] of all) for (const run of [...listeners]) run(name, data);
}

/** What each event changes; true where the lists change. */
const APPLY = {
  snapshot(data) {
    const keep = new Set([...ended.value, ...data.jobs.map((job) => job.id)]);
    for (const id of entries.keys()) if (!keep.has(id)) entries.delete(id);
    for (const entry of entries.values()) entry.progress.value = null;
    orders.clear();
    skew.value = data.time - Date.now() / 1000;
    for (const job of data.jobs) APPLY.job(job);
    for (const each of data.order) APPLY.order(each);
    for (const each of data.progress) APPLY.progress(each);
    APPLY.queues(data.queues);
    APPLY.workers(data);
    APPLY.models(data.models);
    more.value = data.more;
    ready.value = true;
    return true;
  },
  job(job) {
    const entry = entries.get(job.id);
    if (!entry) {
      entries.set(job.id, { id: job.id, job: signal(job), progress: signal(null), place: signal(null) });
      return true;
    }
    const before = entry.job.value.status;
    entry.job.value = job;
    if (job.status !== "in_progress") entry.progress.value = null;
    return before !== job.status;
  },
  progress(data) {
    const entry = entries.get(data.id);
    if (entry) entry.progress.value = { ...data, preview: data.preview ?? entry.progress.value?.preview ?? null };
    return false;
  },
  order({ queue, jobs, positions, etas }) {
    orders.set(queue, jobs);
    until.value = { ...until.peek(), [queue]: etas.at(-1) ?? null };
    jobs.forEach((id, index) => {
      const entry = entries.get(id);
      if (!entry) return;
      const place = entry.place.value;
      if (place?.position !== positions[index] || place?.eta !== etas[index]) {
        entry.place.value = { position: positions[index], eta: etas[index] };
      }
    });
    return true;
  },
  queues(data) {
    queues.value = data;
    return false;
  },
  workers(data) {
    workers.value = data.workers;
    return false;
  },
  models(data) {
    modelsRevision.value = data.revision;
    return false;
  },
  gone({ id }) {
    return entries.delete(id);
  },
};

/** Adds jobs that have ended before, rows of `/v1/jobs`. */
export function learn(jobs) {
  batch(() => {
    for (const job of jobs) if (job.status !== "queued" && job.status !== "in_progress") APPLY.job(job);
    list();
  });
}

function list() {
  const runs = [];
  const rest = [];
  const over = [];
  for (const entry of entries.values()) {
    const { status } = entry.job.peek();
    if (status === "in_progress") runs.push(entry);
    else if (status === "queued") rest.push(entry);
    else over.push(entry);
  }
  const rank = new Map();
  for (const jobs of orders.values()) jobs.forEach((id, index) => rank.set(id, index));
  for (const entry of rest) if (!rank.has(entry.id) && entry.place.peek() !== null) entry.place.value = null;
  const time = (name) => (entry) => entry.job.peek().timings?.[name] ?? 0;
  const queue = (entry) => entry.job.peek().queue;
  runs.sort(by(time("started_at")));
  rest.sort((a, b) => compare(queue(a), queue(b)) || place(rank, a) - place(rank, b) || by(time("created_at"))(a, b));
  over.sort((a, b) => -by(time("ended_at"))(a, b));
  for (const entry of over.splice(KEPT)) entries.delete(entry.id);
  assign(running, runs);
  assign(waiting, rest);
  assign(ended, over);
}

const compare = (a, b) => (a < b ? -1 : Number(a > b));
const by = (value) => (a, b) => value(a) - value(b);
const place = (rank, entry) => rank.get(entry.id) ?? Infinity;

function assign(list, found) {
  const ids = found.map((entry) => entry.id);
  const old = list.peek();
  if (ids.length !== old.length || ids.some((id, index) => id !== old[index])) list.value = ids;
}

/** The address of a file that an event names, relative to the server. */
export const fileUrl = (path) => new URL(path, base);

let dozing = 0;

document.addEventListener("visibilitychange", () => {
  clearTimeout(dozing);
  if (!document.hidden) asleep.value = false;
  else
    dozing = setTimeout(() => {
      asleep.value = true;
      current?.abort();
    }, DOZES);
});

let losing = 0;

effect(() => {
  clearTimeout(losing);
  if (connected.value || asleep.value) lost.value = false;
  else losing = setTimeout(() => (lost.value = true), SHORT);
});

key.subscribe(() => started && restart());
