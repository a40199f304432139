// Requests to the server: where it is, the key, errors. It knows no route.

import { signal } from "./lib.js";
import { recallHere, rememberHere } from "./storage.js";

/** The address of the server, with a slash at its end. It is a sub-path behind some proxies. */
export const base = new URL("./", document.baseURI);

/**
 * The API key, empty where none is needed. It is kept for as long as this tab is open. A cookie would be sent by the
 * browser of itself, also with requests that other pages cause; a key that the page sends never is.
 */
export const key = signal(recallHere("key", ""));

/** True after the server has refused the key, or its absence. */
export const locked = signal(false);

/** True while the server can't be reached. */
export const offline = signal(false);

/** An answer that is no success. `status` is 0 where there was no answer. */
export class ApiError extends Error {
  constructor(message, status = 0, code = null, body = null) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
    this.body = body;
  }
}

export function setKey(value) {
  key.value = value.trim();
  rememberHere("key", key.value);
  locked.value = false;
}

/** The absolute URL of a path such as `v1/jobs`. `query` leaves out what is null, undefined or empty. */
export function address(path, query = null) {
  const url = new URL(path.replace(/^\//, ""), base);
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== null && value !== undefined && value !== "") url.searchParams.set(name, value);
  }
  return url;
}

/** An address that the server has given, by its path only, so that it works behind a proxy that renames the host. */
export function ownAddress(url) {
  const path = new URL(url, base).pathname;
  const start = path.search(/\/v1\//);
  return start < 0 ? new URL(url, base) : new URL(path.slice(start + 1), base);
}

/**
 * The answer of the server, whatever its kind. Raises ApiError unless it is a success, and the browser's AbortError.
 * `json` is sent as JSON, `body` as it is.
 */
export async function request(path, { method, json, body, query, headers = {}, abort } = {}) {
  const sent = { "X-App": "mlxq page", ...headers };
  if (key.value) sent.Authorization = `Bearer ${key.value}`;
  if (json !== undefined) sent["Content-Type"] = "application/json";
  const content = json === undefined ? body : JSON.stringify(json);
  let answer;
  try {
    answer = await fetch(path instanceof URL ? path : address(path, query), {
      method: method ?? (content === undefined ? "GET" : "POST"),
      headers: sent,
      body: content,
      signal: abort,
      cache: "no-store",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    offline.value = true;
    throw new ApiError("The server can't be reached.");
  }
  offline.value = false;
  if (!answer.ok) throw await refusal(answer);
  return answer;
}

/** The body of the answer as JSON, null where there is none. */
export async function call(path, options) {
  const answer = await request(path, options);
  const text = await answer.text();
  return text ? JSON.parse(text) : null;
}

async function refusal(answer) {
  if (answer.status === 401) locked.value = true;
  let body = null;
  try {
    body = await answer.json();
  } catch {
    // A proxy's page.
  }
  const error = body?.error;
  const message = (typeof error === "string" ? error : error?.message) ?? body?.detail;
  return new ApiError(
    typeof message === "string" && message ? message : `The server answered ${answer.status}.`,
    answer.status,
    error?.code ?? null,
    body,
  );
}
