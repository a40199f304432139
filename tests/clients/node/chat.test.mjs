// What the OpenAI SDK for Node sees of the whole product.
import assert from "node:assert/strict";
import test from "node:test";
import OpenAI from "openai";
import { body, counted, endless, newest, outcome } from "./support.mjs";

const { sdk } = counted({ maxRetries: 0 });

async function chunksOf(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

const textOf = (chunks) => chunks.flatMap((c) => c.choices.map((one) => one.delta.content ?? "")).join("");

test("a chat is complete", async () => {
  const { data, response, request_id } = await sdk.chat.completions.create(body({ max_tokens: 5 })).withResponse();
  assert.equal(response.headers.get("x-request-id"), data.id);
  assert.equal(request_id, data.id);
  assert.match(data.id, /^chatcmpl-/);
  assert.equal(data.object, "chat.completion");
  assert.equal(data.model, "first");
  assert.equal(data.choices[0].finish_reason, "length");
  assert.equal(data.choices[0].message.role, "assistant");
  assert.equal(data.usage.completion_tokens, 5);
  assert.equal(data.usage.total_tokens, data.usage.prompt_tokens + 5);
});

test("a stream says what the completion says, and its usage last", async () => {
  const whole = await sdk.chat.completions.create(body());
  const chunks = await chunksOf(
    await sdk.chat.completions.create(body({ stream: true, stream_options: { include_usage: true } })),
  );
  assert.equal(textOf(chunks), whole.choices[0].message.content);
  assert.equal(chunks[0].choices[0].delta.role, "assistant");
  assert.deepEqual(
    chunks.flatMap((c) => c.choices.map((one) => one.finish_reason)).filter(Boolean),
    [whole.choices[0].finish_reason],
  );
  assert.deepEqual(chunks.at(-1).choices, []);
  assert.deepEqual(chunks.at(-1).usage.completion_tokens, whole.usage.completion_tokens);
});

test("the streaming helper accumulates", async () => {
  const stream = sdk.chat.completions.stream(body());
  let text = "";
  stream.on("content", (delta) => (text += delta));
  assert.equal(await stream.finalContent(), text);
});

test("a stop string ends the answer before it", async () => {
  const text = (await sdk.chat.completions.create(body())).choices[0].message.content;
  const stop = text.slice(4, 7);
  const stopped = await sdk.chat.completions.create(body({ stop: [stop, "never"] }));
  assert.equal(stopped.choices[0].message.content, text.slice(0, text.indexOf(stop)));
  assert.equal(stopped.choices[0].finish_reason, "stop");
});

test("a seed repeats an answer", async () => {
  const say = async (seed) =>
    (await sdk.chat.completions.create(body({ temperature: 1, seed }))).choices[0].message.content;
  assert.equal(await say(7), await say(7));
  assert.notEqual(await say(7), await say(8));
});

test("max_completion_tokens wins over max_tokens", async () => {
  const answer = await sdk.chat.completions.create(body({ max_tokens: 9, max_completion_tokens: 3 }));
  assert.equal(answer.usage.completion_tokens, 3);
});

test("models are listed and retrieved by ids with slashes", async () => {
  const ids = (await chunksOf(sdk.models.list())).map((model) => model.id);
  assert.ok(ids.includes("first") && ids.includes("org/second"));
  assert.equal((await sdk.models.retrieve("org/second")).owned_by, "org");
});

test("an aborted stream cancels its job", async () => {
  const stream = await sdk.chat.completions.create(endless({ stream: true }));
  let id;
  for await (const chunk of stream) {
    if (chunk.choices[0].delta.content) {
      id = chunk.id;
      break; // the SDK aborts the request
    }
  }
  assert.equal((await outcome(id)).status, "cancelled");
});

test("an aborted call cancels its job", async () => {
  const before = (await newest()).id;
  const abort = new AbortController();
  const call = sdk.chat.completions.create(endless(), { signal: abort.signal });
  const refused = assert.rejects(call, OpenAI.APIUserAbortError);
  let job = await newest();
  while (job.id === before || job.status === "queued") job = await newest();
  abort.abort();
  await refused;
  assert.equal((await outcome(job.id)).status, "cancelled");
});
