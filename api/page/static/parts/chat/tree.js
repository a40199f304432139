// A conversation as a tree of messages: edits and new answers are branches. It knows neither storage nor the server.
//
// A conversation is plain data: { id, title, created, updated, model, options, messages: { id: message }, head }.
// A message is { id, parent, role, content, … }; `head` is the last message of the branch that is shown.

export const newId = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");

export function newConversation(model, options) {
  const now = Date.now();
  return { id: newId(), title: "", created: now, updated: now, model, options, messages: {}, head: null };
}

/** The messages from the first to `head`. */
export function branch(conversation, head = conversation.head) {
  const path = [];
  for (let id = head; id; id = conversation.messages[id]?.parent) {
    if (!conversation.messages[id]) break;
    path.push(conversation.messages[id]);
  }
  return path.reverse();
}

/** The messages with the same parent, the oldest first: what can be shown in the place of `message`. */
export function siblings(conversation, message) {
  return Object.values(conversation.messages)
    .filter((other) => other.parent === message.parent && other.role === message.role)
    .sort((one, other) => one.created - other.created);
}

/** The conversation with `message` at the end of what is shown. */
export function withMessage(conversation, message) {
  return {
    ...conversation,
    messages: { ...conversation.messages, [message.id]: message },
    head: message.id,
    updated: Date.now(),
  };
}

/** The conversation with a changed message. */
export function changed(conversation, id, fields) {
  const message = conversation.messages[id];
  if (!message) return conversation;
  return {
    ...conversation,
    messages: { ...conversation.messages, [id]: { ...message, ...fields } },
    updated: Date.now(),
  };
}

/** The conversation that shows `message`, and of what follows it the newest. */
export function showing(conversation, message) {
  const children = new Map();
  for (const each of Object.values(conversation.messages)) {
    const known = children.get(each.parent);
    if (!known || known.created < each.created) children.set(each.parent, each);
  }
  let last = message;
  while (children.has(last.id)) last = children.get(last.id);
  return { ...conversation, head: last.id };
}

/** A title from the first words of the user. */
export function titleOf(text) {
  const line = text.trim().split("\n")[0].trim();
  return line.length > 60 ? `${line.slice(0, 57).trimEnd()}…` : line;
}

/** The visible text of a message's content, which is a text or a list of parts. */
export function textOf(content) {
  if (typeof content === "string") return content;
  return (content ?? [])
    .filter((part) => part.type === "text")
    .map((part) => part.text)
    .join("\n");
}

/** The images and files of a message's content. */
export const attachmentsOf = (content) =>
  typeof content === "string" ? [] : (content ?? []).filter((part) => part.type !== "text");

/** Text and attachments as the content of a request. */
export const contentOf = (text, attachments) =>
  attachments.length ? [...attachments, ...(text ? [{ type: "text", text }] : [])] : text;
