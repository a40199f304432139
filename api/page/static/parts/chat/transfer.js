// A conversation as a file: JSON, which can be read again, and Markdown for people.

import { attachmentsOf, branch, newId, textOf } from "./tree.js";

const FORMAT = "mlxq-conversation";

export const asJson = (conversation) => JSON.stringify({ format: FORMAT, version: 1, ...conversation }, null, 2);

/** The branch that is shown. */
export function asMarkdown(conversation) {
  const parts = [`# ${conversation.title || "Conversation"}`];
  if (conversation.options?.system) parts.push(`## System\n\n${conversation.options.system}`);
  for (const message of branch(conversation)) {
    const name = { user: "User", assistant: "Assistant", tool: "Tool" }[message.role] ?? message.role;
    const body = [textOf(message.content)];
    const attached = attachmentsOf(message.content).length;
    if (attached) body.unshift(`*${attached} attached*`);
    for (const call of message.calls ?? []) body.push(`\`${call.name}(${call.arguments})\``);
    parts.push(`## ${name}\n\n${body.filter(Boolean).join("\n\n")}`);
  }
  return `${parts.join("\n\n")}\n`;
}

/** A conversation from a file of `asJson`, under a new id. Throws an Error that can be shown. */
export function fromJson(text) {
  let data;
  try {
    data = JSON.parse(text);
  } catch {
    throw new Error("This file is not JSON.");
  }
  if (data?.format !== FORMAT || typeof data.messages !== "object" || data.messages === null) {
    throw new Error("This file holds no conversation of this page.");
  }
  const messages = {};
  for (const [id, message] of Object.entries(data.messages)) {
    if (ID.test(id)) messages[id] = checked(id, message);
  }
  for (const id of Object.keys(messages)) checkParents(messages, id);
  const now = Date.now();
  return {
    id: newId(),
    title: String(data.title ?? "").slice(0, 200),
    created: Number(data.created) || now,
    updated: now,
    model: String(data.model ?? ""),
    options: plainOptions(data.options),
    messages,
    head: Object.hasOwn(messages, data.head) ? data.head : (Object.keys(messages).at(-1) ?? null),
  };
}

/** A message that is its own ancestor would never end. */
function checkParents(messages, id) {
  const seen = new Set();
  for (let at = id; at && messages[at]; at = messages[at].parent) {
    if (seen.has(at)) throw new Error("The messages of this file follow each other in a circle.");
    seen.add(at);
  }
}

const ID = /^[0-9a-f]{24}$/;
const ROLES = ["user", "assistant", "tool"];

function checked(id, message) {
  if (!ROLES.includes(message?.role)) throw new Error("A message of this file has no role that is known here.");
  const content = Array.isArray(message.content) ? message.content.map(part).filter(Boolean) : String(message.content ?? "");
  return {
    id,
    parent: typeof message.parent === "string" ? message.parent : null,
    role: message.role,
    content,
    created: Number(message.created) || 0,
    reasoning: String(message.reasoning ?? ""),
    calls: Array.isArray(message.calls)
      ? message.calls.map((call) => ({
          id: String(call?.id ?? ""),
          name: String(call?.name ?? ""),
          arguments: String(call?.arguments ?? ""),
        }))
      : [],
    call: message.call === undefined ? undefined : String(message.call),
    model: message.model === undefined ? undefined : String(message.model),
    state: message.role === "assistant" ? "done" : undefined,
  };
}

/** A part of a message; images only where they are part of the file. */
function part(value) {
  if (value?.type === "text") return { type: "text", text: String(value.text) };
  const url = value?.type === "image_url" ? String(value.image_url?.url ?? "") : "";
  if (url.startsWith("data:image/")) return { type: "image_url", image_url: { url } };
  const data = value?.type === "file" ? String(value.file?.file_data ?? "") : "";
  if (data.startsWith("data:")) {
    return { type: "file", file: { filename: String(value.file.filename ?? "file"), file_data: data } };
  }
  return null;
}

function plainOptions(options) {
  const plain = {};
  for (const [name, value] of Object.entries(options ?? {})) {
    if (["string", "number", "boolean"].includes(typeof value)) plain[name] = value;
  }
  return plain;
}
