// The conversations of this page and the answers that are being made. It outlives the view: an answer goes on while
// another view is shown, and after a reload.

import { batch, signal } from "../../lib.js";
import { refresh as refreshModels } from "../../models.js";
import { recall, remember } from "../../storage.js";
import { cancel, followPlace, submit, watch } from "../job.js";
import { failed, say } from "../toast.js";
import { blank, kept, take } from "./answer.js";
import { chatRequest } from "./request.js";
import * as store from "./store.js";
import { branch, changed, newConversation, newId, showing, textOf, titleOf, withMessage } from "./tree.js";

/** Rows of the list, the newest first; null until they are read. */
export const rows = signal(null);

/** The conversation that is shown. It is not kept before its first message. */
export const current = signal(newConversation(recall("chat.model", ""), recall("chat.options", {})));

/** Answers that are being made, by the id of their message: { answer, version, place, … }. */
export const running = signal(new Map());

/** Messages whose job has not ended, as far as this page knows. */
export const OPEN = "open";

const others = typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel("mlxq.chat");
others?.addEventListener("message", ({ data }) => heard(data));

let writing = Promise.resolve();

/** Changes of conversations are made one after the other, so that none is lost. */
function inTurn(work) {
  const done = writing.then(work);
  writing = done.catch(() => {});
  return done;
}

async function keep(conversation) {
  await store.write(conversation);
  others?.postMessage(conversation.id);
  await refresh();
}

/** Changes a conversation, shown or not, and keeps it. */
async function update(id, change) {
  let conversation = null;
  if (current.value.id === id) conversation = current.value = change(current.value);
  await inTurn(async () => {
    if (conversation === null) {
      const known = await store.read(id);
      if (!known) return;
      conversation = change(known);
      // It may have been opened meanwhile.
      if (current.value.id === id) conversation = current.value = change(current.value);
    }
    await keep(conversation);
  }).catch((error) => {
    failed(new Error(`The conversation could not be kept in this browser: ${error?.message ?? error}`));
  });
}

export async function refresh() {
  rows.value = await store.list().catch(() => rows.value ?? []);
}

/** Another tab has changed a conversation. */
async function heard(id) {
  await refresh();
  if (current.value.id !== id || branch(current.value).some((message) => running.value.has(message.id))) return;
  const known = await store.read(id);
  if (known) adopt(known);
}

/** Called once, when the chat is shown for the first time. */
export async function begin() {
  if (rows.value !== null) return;
  await refresh();
  store.prune().then(refresh, () => {});
  const last = recall("chat.current", null);
  const conversation = last && (await store.read(last).catch(() => undefined));
  // The user may have asked something meanwhile.
  if (conversation && !Object.keys(current.value.messages).length) adopt(conversation);
}

function adopt(conversation) {
  batch(() => {
    current.value = conversation;
    remember("chat.current", conversation.id);
  });
  for (const message of Object.values(conversation.messages)) {
    if (message.state === OPEN && !running.value.has(message.id)) run(conversation, message);
  }
}

export async function open(id) {
  const conversation = await store.read(id).catch(() => undefined);
  if (conversation) adopt(conversation);
  return conversation !== undefined;
}

export function startNew() {
  current.value = newConversation(recall("chat.model", ""), recall("chat.options", {}));
  remember("chat.current", null);
}

export async function rename(id, title) {
  await update(id, (conversation) => ({ ...conversation, title }));
}

export async function discard(ids) {
  for (const [message, going] of running.value) if (ids.includes(going.conversation)) stop(message);
  if (ids.includes(current.value.id)) startNew();
  await inTurn(() => store.remove(...ids));
  others?.postMessage(ids[0]);
  await refresh();
}

/** The whole conversation, for a file. */
export const whole = (id) => (current.value.id === id ? Promise.resolve(current.value) : store.read(id));

export async function takeIn(conversation) {
  await inTurn(() => keep(conversation));
  adopt(conversation);
}

export function setModel(model) {
  remember("chat.model", model);
  current.value = { ...current.value, model };
}

/** Options of the conversation that is shown, and of new ones; the system prompt and the seed are its own. */
export function setOptions(options) {
  const { system, seed, ...usual } = options;
  remember("chat.options", usual);
  current.value = { ...current.value, options };
}

/** Sends what the user has written, after the last message that is shown. */
export function send(content) {
  return ask(current.value.head, content);
}

/** Sends a message of the user in another version: a branch beside it. */
export function resend(message, content) {
  return ask(message.parent, content);
}

function ask(parent, content) {
  const conversation = current.value;
  const message = { id: newId(), parent, role: "user", content, created: Date.now() };
  const title = conversation.title || titleOf(textOf(content)) || "Attachment";
  return answerTo({ ...withMessage(conversation, message), title });
}

/** Asks for another answer in the place of `message`. */
export function regenerate(message) {
  return answerTo({ ...current.value, head: message.parent });
}

/** Gives the result of a tool call. When all calls of a message have one, the model answers. */
export function giveResult(message, call, text) {
  const result = { id: newId(), parent: current.value.head, role: "tool", call, content: text, created: Date.now() };
  const conversation = withMessage(current.value, result);
  const given = new Set(branch(conversation).map((each) => each.call));
  if (message.calls.every(({ id }) => given.has(id))) return answerTo(conversation);
  return update(conversation.id, () => conversation);
}

/** Shows another branch. */
export function show(message) {
  return update(current.value.id, (conversation) => showing(conversation, message));
}

async function answerTo(before) {
  const message = {
    id: newId(),
    parent: before.head,
    role: "assistant",
    content: "",
    reasoning: "",
    calls: [],
    created: Date.now(),
    model: before.model,
    options: before.options,
    state: OPEN,
  };
  const conversation = withMessage(before, message);
  remember("chat.current", conversation.id);
  const written = update(conversation.id, () => conversation);
  run(conversation, message);
  await written;
}

/** Shows the answer of a job that another browser has asked for. */
export async function join(job) {
  const known = branch(current.value).find((message) => message.job === job);
  if (known) return;
  startNew();
  const message = { id: newId(), parent: null, role: "assistant", content: "", reasoning: "", calls: [] };
  const fields = { created: Date.now(), model: "", options: {}, state: OPEN, job };
  const conversation = withMessage({ ...current.value, title: "Answer" }, { ...message, ...fields });
  remember("chat.current", conversation.id);
  await update(conversation.id, () => conversation);
  run(conversation, conversation.messages[message.id]);
}

/** Stops an answer: its job is cancelled, and what has come of it stays. */
export function stop(id) {
  const going = running.value.get(id);
  if (!going || going.stopping) return;
  going.stopping = true;
  notify(going);
  if (going.job) cancel(going.job).catch((error) => ((going.stopping = false), notify(going), failed(error)));
}

async function run(conversation, message) {
  const going = {
    conversation: conversation.id,
    answer: blank(),
    version: signal(0),
    place: null,
    job: message.job ?? null,
    stopping: false,
    scheduled: false,
  };
  running.value = new Map(running.value).set(message.id, going);
  try {
    if (!going.job) await accept(conversation, message, going);
    if (going.stopping) await cancel(going.job);
    await follow(going);
  } catch (error) {
    take(going.answer, "failed", { error: { message: lost(error) } });
    // Its model may have been deleted without a word.
    if (error.code === "model_not_found") refreshModels();
  }
  // Of an answer that another browser has asked for, only its end says which model it is of.
  const model = message.model || (going.answer.by ?? "");
  await update(conversation.id, (now) => changed(now, message.id, { ...kept(going.answer), model }));
  const left = new Map(running.value);
  left.delete(message.id);
  running.value = left;
  say(going.answer.state === "done" ? "The answer is complete." : "The answer has ended.");
}

async function accept(conversation, message, going) {
  const body = chatRequest(message.model, message.options, branch(conversation, message.parent));
  const { id, warning } = await submit("v1/chat/completions", { json: body, token: message.id });
  going.job = id;
  await update(conversation.id, (now) => changed(now, message.id, { job: id, warning }));
}

async function follow(going) {
  const end = followPlace(
    going.job,
    () => going.answer.state === "queued",
    (place) => {
      going.place = place;
      notify(going);
    },
  );
  try {
    for await (const { type, data, at } of watch(going.job)) {
      take(going.answer, type, data, at);
      notify(going);
    }
  } finally {
    end();
  }
}

/** Draws an answer at most once a frame, and less often the longer it is. */
function notify(going) {
  if (going.scheduled) return;
  going.scheduled = true;
  const draw = () => {
    going.scheduled = false;
    going.version.value += 1;
  };
  const rest = going.answer.content.length / 400;
  if (rest < 16) requestAnimationFrame(draw);
  else setTimeout(() => requestAnimationFrame(draw), rest);
}

const lost = (error) =>
  error.status === 404 && error.code === "job_not_found"
    ? "The server does not keep this answer any more."
    : (error.message ?? String(error));
