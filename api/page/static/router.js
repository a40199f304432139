// The address of a view is the hash: `#/jobs/chatcmpl-1?from=history`. It knows no view.

import { signal } from "./lib.js";

/** `{name, path, query}`: `#/jobs/a/b?x=1` is "jobs", ["a", "b"] and the URLSearchParams of "x=1". */
export const route = signal(parse(location.hash));

addEventListener("hashchange", () => {
  route.value = parse(location.hash);
});

export function go(hash) {
  location.hash = hash;
}

/** Changes the query of the view that is shown, without a new entry in the browser's history. */
export function setQuery(values) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) if (value) query.set(name, value);
  const { name, path } = route.value;
  const text = query.toString();
  history.replaceState(null, "", `#/${[name, ...path].map(encodeURIComponent).join("/")}${text && `?${text}`}`);
  route.value = parse(location.hash);
}

export const jobLink = (id) => `#/jobs/${encodeURIComponent(id)}`;

function parse(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?");
  const [name, ...rest] = path.split("/").filter(Boolean).map(decoded);
  return { name: name ?? "now", path: rest, query: new URLSearchParams(query) };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
