// One job of this page: submitted, watched without a gap, cancelled. It knows no kind of job.

import { ApiError, call, request } from "../api.js";
import { entryOf } from "../events.js";
import { events } from "../sse.js";

const ENDS = ["completed", "failed", "cancelled", "expired"];
/** Milliseconds before the next attempt to connect, the more the longer the server is away. */
const PAUSES = [250, 500, 1000, 2000, 4000];
/** Milliseconds between two looks for the place of a job that waits, and between two questions to the server. */
const LOOKS_EVERY = 400;
const ASKS_EVERY = 2000;

/**
 * Sends a request whose job is accepted at once. Returns its `id`, and the server's `warning` about the request or "".
 * `token` stands for the request: the same one, sent again with the same body, finds the same job.
 */
export async function submit(path, { token, headers = {}, ...content }) {
  const answer = await request(path, {
    ...content,
    headers: { ...headers, Prefer: "respond-async", ...(token && { "Idempotency-Key": token }) },
  });
  return { id: (await answer.json()).id, warning: warningOf(answer) };
}

/** The texts of an answer's `warning` header: `299 - "text", 299 - "text"`. */
export function warningOf(answer) {
  const texts = (answer.headers.get("warning") ?? "").matchAll(/"((?:[^"\\]|\\.)*)"/g);
  return Array.from(texts, ([, text]) => text.replace(/\\(.)/g, "$1")).join(" ");
}

export const cancel = (id) =>
  call(`v1/jobs/${encodeURIComponent(id)}/cancel`, { method: "POST" }).catch((error) => {
    // It has ended by itself.
    if (error.status !== 409 && error.status !== 404) throw error;
  });

export const jobOf = (id, abort) => call(`v1/jobs/${encodeURIComponent(id)}`, { abort });

/**
 * Yields { type, data, at } of each event of a job, from its beginning to its end, also when the connection is lost
 * meanwhile. `at` is the server's time of the event in milliseconds, which its id begins with. Raises ApiError where the job can't be asked for, and AbortError.
 */
export async function* watch(id, abort) {
  let after = "";
  for (let failures = 0; ; failures++) {
    try {
      const answer = await request(`v1/jobs/${encodeURIComponent(id)}/events`, { query: { after }, abort });
      if (answer.status === 204) {
        yield ending(await jobOf(id, abort));
        return;
      }
      for await (const event of events(answer)) {
        if (event.id) after = event.id;
        failures = 0;
        const data = JSON.parse(event.data);
        // A stream that breaks off says so by an event without a name.
        if (event.name === "message" || event.name === "error") break;
        yield { type: event.name, data, at: Number.parseInt(after, 10) };
        if (ENDS.includes(event.name)) return;
      }
    } catch (error) {
      abort?.throwIfAborted();
      if (error instanceof ApiError && error.status >= 400 && error.status < 500) throw error;
      if (!(error instanceof ApiError) && !(error instanceof TypeError)) throw error;
    }
    await pause(PAUSES[Math.min(failures, PAUSES.length - 1)], abort);
  }
}

/** How a job has ended whose events are not kept any more, as its last event. */
function ending(job) {
  return { type: ENDS.includes(job.status) ? job.status : "failed", data: { result: job.result, error: job.error }, at: NaN };
}

function pause(milliseconds, abort) {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(abort.reason);
    };
    const timer = setTimeout(() => {
      abort?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    abort?.addEventListener("abort", stop, { once: true });
  });
}

/**
 * Calls `tell` with { position, eta, reason } of a job while `waits()` is true. Returns a function that ends this.
 *
 * The events of all jobs say it, where this browser may have them; else the job is asked for by its id.
 */
export function followPlace(id, waits, tell) {
  let timer = setTimeout(look, LOOKS_EVERY);
  let asked = -Infinity;
  async function look() {
    if (waits()) {
      const entry = entryOf(id);
      const place = entry?.place.peek();
      if (entry) tell({ ...place, reason: entry.job.peek().waits_for });
      else if (performance.now() - asked > ASKS_EVERY) {
        asked = performance.now();
        const job = await jobOf(id).catch(() => null);
        if (job && waits()) tell({ position: job.position, eta: job.eta, reason: job.waits_for });
      }
    }
    if (timer !== null) timer = setTimeout(look, LOOKS_EVERY);
  }
  return () => {
    clearTimeout(timer);
    timer = null;
  };
}
