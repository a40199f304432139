// Tools, structured output, completions and embeddings, as the OpenAI SDK for Node offers them.
import assert from "node:assert/strict";
import test from "node:test";
import OpenAI from "openai";
import { counted } from "./support.mjs";

const { sdk } = counted({ maxRetries: 0 });

const parameters = {
  type: "object",
  properties: { location: { type: "string", maxLength: 40 } },
  required: ["location"],
  additionalProperties: false,
};
const tool = {
  type: "function",
  function: { name: "get_weather", description: "Get the current weather", parameters },
};
const question = { role: "user", content: "What's the weather in Tokyo?" };
const weather = (fields = {}) => ({
  model: "tiny-chat",
  messages: [question],
  tools: [tool],
  temperature: 0,
  ...fields,
});

async function chunksOf(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

test("a tool is called and its result told", async () => {
  const { message, finish_reason } = (await sdk.chat.completions.create(weather())).choices[0];
  assert.equal(finish_reason, "tool_calls");
  assert.equal(message.content, null);
  assert.equal(message.tool_calls.length, 1);
  const [call] = message.tool_calls;
  assert.equal(call.function.name, "get_weather");
  assert.deepEqual(JSON.parse(call.function.arguments), { location: "Tokyo" });
  const result = { role: "tool", tool_call_id: call.id, content: '{"temperature": 22, "conditions": "sunny"}' };
  const told = await sdk.chat.completions.create(weather({ messages: [question, message, result] }));
  assert.match(told.choices[0].message.content, /22/);
});

test("streamed deltas add up to the call", async () => {
  const chunks = await chunksOf(await sdk.chat.completions.create(weather({ stream: true })));
  const deltas = chunks.flatMap((chunk) => chunk.choices[0].delta.tool_calls ?? []);
  assert.equal(deltas.filter((delta) => delta.id).length, 1);
  assert.equal(deltas.map((delta) => delta.function.name ?? "").join(""), "get_weather");
  assert.deepEqual(JSON.parse(deltas.map((delta) => delta.function.arguments ?? "").join("")), { location: "Tokyo" });
  assert.equal(chunks.at(-1).choices[0].finish_reason, "tool_calls");
});

for (const stream of [false, true]) {
  test(`runTools calls the function and answers with its result, ${stream ? "streamed" : "whole"}`, async () => {
    const asked = [];
    const runner = sdk.chat.completions.runTools(
      weather({
        stream,
        tools: [
          {
            type: "function",
            function: {
              ...tool.function,
              parse: JSON.parse,
              function: ({ location }) => {
                asked.push(location);
                return { temperature: 22, conditions: "sunny" };
              },
            },
          },
        ],
      }),
    );
    assert.match(await runner.finalContent(), /22/);
    assert.deepEqual(asked, ["Tokyo"]);
  });
}

for (const model of ["tiny-chat", "first"]) {
  test(`a call can be demanded of ${model}`, async () => {
    const answer = await sdk.chat.completions.create(
      weather({
        model,
        messages: [{ role: "user", content: "Hello!" }],
        tool_choice: "required",
        parallel_tool_calls: false,
        max_tokens: 1000,
      }),
    );
    assert.equal(answer.choices[0].finish_reason, "tool_calls");
    const [call] = answer.choices[0].message.tool_calls;
    assert.deepEqual(Object.keys(JSON.parse(call.function.arguments)), ["location"]);
  });
}

const size = {
  type: "object",
  properties: { width: { type: "integer", minimum: 0, maximum: 99 }, unit: { enum: ["cm", "inch"] } },
  required: ["width", "unit"],
  additionalProperties: false,
};
const structured = {
  model: "first",
  messages: [{ role: "user", content: "How wide is it?" }],
  response_format: { type: "json_schema", json_schema: { name: "size", strict: true, schema: size } },
  seed: 1,
};

function check({ width, unit }) {
  assert.ok(Number.isInteger(width) && width >= 0 && width <= 99);
  assert.ok(["cm", "inch"].includes(unit));
}

test("parse reads the content", async () => {
  const answer = await sdk.chat.completions.parse(structured);
  check(answer.choices[0].message.parsed);
});

test("a streamed object is whole at its end", async () => {
  const stream = sdk.chat.completions.stream(structured);
  check(JSON.parse(await stream.finalContent()));
});

test("what max_tokens cut is not parsed", async () => {
  await assert.rejects(sdk.chat.completions.parse({ ...structured, max_tokens: 2 }), OpenAI.LengthFinishReasonError);
});

test("a schema that cannot be enforced is refused", async () => {
  const json_schema = { name: "set", schema: { type: "array", uniqueItems: true } };
  await assert.rejects(
    sdk.chat.completions.create({ ...structured, response_format: { type: "json_schema", json_schema } }),
    (error) => error instanceof OpenAI.BadRequestError && error.message.includes("uniqueItems"),
  );
});

test("a completion, whole and streamed", async () => {
  const ask = { model: "first", prompt: ["hello", "goodbye"], max_tokens: 8, temperature: 0 };
  const whole = await sdk.completions.create(ask);
  assert.deepEqual(whole.choices.map((choice) => choice.index), [0, 1]);
  const streamed = ["", ""];
  for await (const chunk of await sdk.completions.create({ ...ask, stream: true }))
    for (const choice of chunk.choices) streamed[choice.index] += choice.text;
  assert.deepEqual(streamed, whole.choices.map((choice) => choice.text));
});

test("embeddings are the same in both encodings", async () => {
  const ask = { model: "all-MiniLM-L6-v2", input: ["A cat sleeps.", "Taxes are due in May."] };
  const byBase64 = await sdk.embeddings.create(ask); // the SDK asks for base64 and decodes it
  const byFloat = await sdk.embeddings.create({ ...ask, encoding_format: "float" });
  for (const row of [0, 1]) {
    assert.equal(byFloat.data[row].embedding.length, 384);
    byFloat.data[row].embedding.forEach((value, at) =>
      assert.ok(Math.abs(value - byBase64.data[row].embedding[at]) < 1e-5),
    );
  }
  assert.equal((await sdk.embeddings.create({ ...ask, dimensions: 64 })).data[0].embedding.length, 64);
});
