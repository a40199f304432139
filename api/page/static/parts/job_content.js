// What jobs were asked and have answered, in whichever dialect, as texts and files. It asks nothing of the server.

/** Messages `{role, text, more}` of a request. */
export function promptOf({ body }) {
  if (Array.isArray(body.messages)) {
    const system = body.system ? [{ role: "system", ...flat(body.system) }] : [];
    return [...system, ...body.messages.map((message) => ({ role: message.role, ...flat(message.content, message.tool_calls) }))];
  }
  for (const name of ["prompt", "input", "query", "repo_id"]) {
    const value = body[name];
    if (value === undefined || value === null) continue;
    const texts = Array.isArray(value) ? value : [value];
    return texts.slice(0, 50).map((text) => ({ role: null, text: typeof text === "string" ? text : JSON.stringify(text) }));
  }
  return [];
}

function flat(content, calls) {
  const parts = Array.isArray(content) ? content : [{ type: "text", text: content ?? "" }];
  const others = parts.filter((part) => typeof part.text !== "string").map((part) => part.type ?? "part");
  const called = (calls ?? []).map(({ function: made }) => `${made?.name}(${made?.arguments})`);
  return {
    text: [...parts.filter((part) => typeof part.text === "string").map((part) => part.text), ...called].join("\n"),
    more: others.length ? `With ${others.join(", ")}` : null,
  };
}

/** `{text, reasoning, calls, files}` of a job's result, which may be null. */
export function answerOf(result) {
  const found = { text: "", reasoning: "", calls: [], files: [] };
  if (!result || typeof result !== "object") return found;
  const choice = result.choices?.[0];
  const message = choice?.message ?? result.message;
  if (typeof message === "object" && message) {
    found.text = textOf(message.content);
    found.reasoning = message.reasoning_content ?? message.reasoning ?? message.thinking ?? "";
    found.calls = (message.tool_calls ?? []).map((each) => called(each.function ?? each));
  } else if (typeof choice?.text === "string") found.text = choice.text;
  else if (typeof result.text === "string") found.text = result.text;
  else if (typeof result.response === "string") found.text = result.response;
  else if (Array.isArray(result.content)) {
    found.text = textOf(result.content);
    found.reasoning = result.content.map((block) => block.thinking ?? "").join("");
    found.calls = result.content.filter((block) => block.type === "tool_use").map((block) => called({ name: block.name, arguments: block.input }));
  } else if (Array.isArray(result.output)) {
    found.text = result.output.map((item) => textOf(item.content)).filter(Boolean).join("\n");
    found.calls = result.output.filter((item) => item.type === "function_call").map(called);
  }
  found.files = filesOf(result);
  return found;
}

const called = ({ name, arguments: given }) => ({ name, arguments: typeof given === "string" ? given : JSON.stringify(given) });

function textOf(content) {
  if (typeof content === "string") return content;
  return Array.isArray(content) ? content.map((part) => part.text ?? "").join("") : "";
}

function filesOf(result) {
  const kind = result.object === "audio.speech" || result.content_type?.startsWith("audio/") ? "audio" : "image";
  const urls = [result.url, ...(Array.isArray(result.data) ? result.data.map((each) => each?.url) : [])];
  return urls.filter((url) => typeof url === "string" && url.includes("/artifacts/")).map((url) => ({ url, kind }));
}

/** The command that sends a request of `requestOf` again. */
export function curl({ method, path, body }, base) {
  const lines = [`curl -X ${method} ${quoted(new URL(path.replace(/^\//, ""), base).href)}`, "-H 'Content-Type: application/json'"];
  lines.push(`-d ${quoted(JSON.stringify(body, null, 2))}`);
  return lines.join(" \\\n  ");
}

/** For a POSIX shell. */
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
