// The body of a chat request from a branch of a conversation, and what the options mean.

import { textOf } from "./tree.js";

/** Options of a conversation: the name of a field of the request, how it is shown, and what it may be. */
export const OPTIONS = [
  { name: "temperature", label: "Temperature", min: 0, max: 2, step: 0.05, hint: "0 is greedy; empty: the model's own" },
  { name: "top_p", label: "Top p", min: 0, max: 1, step: 0.01, hint: "empty: the model's own" },
  { name: "max_tokens", label: "Most tokens", min: 1, max: 1048576, step: 1, hint: "of the answer, with its thoughts" },
  { name: "seed", label: "Seed", step: 1, hint: "the same seed gives the same answer" },
];

export const EFFORTS = ["none", "minimal", "low", "medium", "high", "xhigh"];

/** What can be sent of the options: numbers in their ranges, and a list of tools that is valid JSON. */
export function fields(options) {
  const sent = {};
  for (const { name } of OPTIONS) {
    const value = options[name];
    if (value !== undefined && value !== null && value !== "" && Number.isFinite(Number(value))) {
      sent[name] = Number(value);
    }
  }
  if (options.effort) sent.reasoning_effort = options.effort;
  const tools = toolsOf(options.tools);
  if (tools?.length) sent.tools = tools;
  return sent;
}

/** Tools as they are typed; undefined: what is typed is no list in JSON. */
export function toolsOf(text) {
  if (!text?.trim()) return [];
  try {
    const tools = JSON.parse(text);
    return Array.isArray(tools) ? tools : undefined;
  } catch {
    return undefined;
  }
}

/** The request for an answer to the messages of `path`. The same path and options give the same body. */
export function chatRequest(model, options, path) {
  const messages = path.filter(worthSending).map(sent);
  if (options.system?.trim()) messages.unshift({ role: "system", content: options.system });
  return { model, messages, ...fields(options), stream: true, background: true, priority: "interactive" };
}

const worthSending = ({ role, content, calls }) => role !== "assistant" || textOf(content) || calls?.length;

function sent({ role, content, reasoning, calls, call }) {
  if (role === "tool") return { role, tool_call_id: call, content: textOf(content) };
  if (role !== "assistant") return { role, content };
  const message = { role, content: textOf(content) };
  if (reasoning) message.reasoning_content = reasoning;
  if (calls?.length) {
    message.tool_calls = calls.map(({ id, name, arguments: given }) => ({
      id,
      type: "function",
      function: { name, arguments: given || "{}" },
    }));
  }
  return message;
}
