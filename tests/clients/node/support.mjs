// What the stories share. The addresses come from tests/clients/test_node.py.
import OpenAI from "openai";

export const url = process.env.MLXQ_URL;
export const apiKey = process.env.MLXQ_KEY;
export const workerPid = Number(process.env.MLXQ_WORKER_PID);

/** An SDK that tries up to three times, and the status of each try. `onResponse` sees each answer. */
export function counted(options = {}, onResponse = async () => {}) {
  const statuses = [];
  const counting = async (...call) => {
    const response = await fetch(...call);
    statuses.push(response.status);
    await onResponse(response);
    return response;
  };
  const sdk = new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 2, fetch: counting, ...options });
  return { sdk, statuses };
}

export function body(fields = {}) {
  return {
    model: "first",
    messages: [{ role: "user", content: "hello" }],
    temperature: 0,
    max_tokens: 24,
    ...fields,
  };
}

/** A chat that does not end by itself while a test looks at it. */
export function endless(fields = {}) {
  return body({ ignore_eos: true, max_tokens: 50_000, ...fields });
}

export async function api(method, path, json, headers = {}) {
  return fetch(`${url}${path}`, {
    method,
    headers: { authorization: `Bearer ${apiKey}`, "content-type": "application/json", ...headers },
    body: json && JSON.stringify(json),
  });
}

export async function newest() {
  return (await (await api("GET", "/v1/jobs?limit=1")).json()).data[0];
}

/** The job once it has ended. */
export async function outcome(id) {
  for (;;) {
    const job = await (await api("GET", `/v1/jobs/${id}?wait=30`)).json();
    if (!["queued", "in_progress"].includes(job.status)) return job;
  }
}
