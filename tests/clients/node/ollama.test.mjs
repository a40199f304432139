// Ollama's API, as its own package for Node offers it.
import assert from "node:assert/strict";
import test from "node:test";
import { Ollama } from "ollama";
import { url } from "./support.mjs";

const client = new Ollama({ host: url });
const options = { temperature: 0, num_predict: 200 };
const asked = (content, fields = {}) => ({
  model: "tiny-chat",
  messages: [{ role: "user", content }],
  options,
  ...fields,
});
const capital = (country) => `What is the capital of ${country}?`;
const tool = {
  type: "function",
  function: {
    name: "get_weather",
    description: "Get the current weather",
    parameters: {
      type: "object",
      properties: { location: { type: "string", maxLength: 40 } },
      required: ["location"],
      additionalProperties: false,
    },
  },
};

test("a chat, whole and streamed", async () => {
  const whole = await client.chat(asked(capital("France")));
  assert.match(whole.message.content, /Paris/);
  assert.deepEqual([whole.done, whole.done_reason], [true, "stop"]);
  assert.ok(whole.eval_count > 0);
  let text = "";
  let last;
  for await (last of await client.chat(asked(capital("France"), { stream: true }))) text += last.message.content;
  assert.equal(text, whole.message.content);
  assert.deepEqual([last.done, last.eval_count], [true, whole.eval_count]);
});

test("thoughts are apart", async () => {
  const { message } = await client.chat(asked(capital("Japan"), { think: true }));
  assert.match(message.content, /Tokyo/);
  assert.ok(message.thinking);
  const without = await client.chat(asked(capital("Japan"), { think: false }));
  assert.equal(without.message.thinking, undefined);
});

for (const stream of [false, true]) {
  test(`a tool is called and its result told, ${stream ? "streamed" : "whole"}`, async () => {
    const question = asked("What's the weather in Tokyo?", { tools: [tool], stream });
    const answer = await client.chat(question);
    const calls = [];
    for await (const part of stream ? answer : [answer]) calls.push(...(part.message.tool_calls ?? []));
    assert.equal(calls.length, 1);
    assert.equal(calls[0].function.name, "get_weather");
    assert.deepEqual(calls[0].function.arguments, { location: "Tokyo" });
    const told = await client.chat({
      ...question,
      stream: false,
      messages: [
        ...question.messages,
        { role: "assistant", content: "", tool_calls: calls },
        { role: "tool", tool_name: "get_weather", content: '{"temperature": 22, "conditions": "sunny"}' },
      ],
    });
    assert.match(told.message.content, /22/);
  });
}

test("a schema is enforced", async () => {
  const format = {
    type: "object",
    properties: { width: { type: "integer", minimum: 0, maximum: 99 } },
    required: ["width"],
  };
  const { message } = await client.chat(asked("How wide is it?", { model: "first", format }));
  const { width } = JSON.parse(message.content);
  assert.ok(width >= 0 && width <= 99);
});

test("a prompt is completed", async () => {
  const ask = { model: "tiny-chat", prompt: capital("Italy"), options };
  const whole = await client.generate(ask);
  assert.match(whole.response, /Rome/);
  let text = "";
  for await (const part of await client.generate({ ...ask, stream: true })) text += part.response;
  assert.equal(text, whole.response);
  assert.ok((await client.generate({ ...ask, raw: true, options: { num_predict: 4 } })).eval_count <= 4);
});

test("vectors", async () => {
  const model = "all-MiniLM-L6-v2";
  const { embeddings } = await client.embed({ model, input: ["A cat sleeps.", "Taxes are due in May."] });
  assert.deepEqual(embeddings.map((each) => each.length), [384, 384]);
  const { embedding } = await client.embeddings({ model, prompt: "A cat sleeps." });
  embedding.forEach((value, at) => assert.ok(Math.abs(value - embeddings[0][at]) < 1e-3));
});

test("models are listed, shown and pulled", async () => {
  const { models } = await client.list();
  assert.ok(models.some((model) => model.name === "tiny-chat" && model.size > 0 && model.details.family));
  const shown = await client.show({ model: "tiny-chat:latest" });
  assert.ok(shown.capabilities.includes("tools"));
  assert.ok(shown.model_info["general.architecture"]);
  await client.generate({ model: "tiny-chat", prompt: "" });
  assert.ok((await client.ps()).models.some((model) => model.name === "tiny-chat"));
  const states = [];
  for await (const { status } of await client.pull({ model: "tiny-chat", stream: true })) states.push(status);
  assert.equal(states.at(-1), "success");
  assert.ok((await client.version()).version);
});

test("errors are the package's own", async () => {
  for (const stream of [false, true]) {
    await assert.rejects(client.chat(asked("Hi", { model: "nobody", stream })), {
      name: "ResponseError",
      status_code: 404,
      message: /model 'nobody' not found/,
    });
  }
  await assert.rejects(client.chat(asked("Hi", { options: { top_p: 7 } })), { status_code: 400, message: /top_p/ });
});
