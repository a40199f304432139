// Messages, as Anthropic's SDK for TypeScript offers them.
import assert from "node:assert/strict";
import test from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import { betaTool } from "@anthropic-ai/sdk/helpers/beta/json-schema";
import { jsonSchemaOutputFormat } from "@anthropic-ai/sdk/helpers/json-schema";
import { apiKey, url } from "./support.mjs";

const sdk = new Anthropic({ baseURL: url, apiKey, maxRetries: 0 });
const asked = (content, fields = {}) => ({
  model: "tiny-chat",
  max_tokens: 200,
  messages: [{ role: "user", content }],
  temperature: 0,
  ...fields,
});
const capital = (country) => `What is the capital of ${country}?`;
const weather = "What's the weather in Tokyo?";
const inputSchema = {
  type: "object",
  properties: { location: { type: "string", maxLength: 40 } },
  required: ["location"],
  additionalProperties: false,
};
const tool = { name: "get_weather", description: "Get the current weather", input_schema: inputSchema };
const sunny = '{"temperature": 22, "conditions": "sunny"}';

test("a message, and a conversation that goes on", async () => {
  const first = await sdk.messages.create(asked(capital("France")));
  assert.match(first.content[0].text, /Paris/);
  assert.equal(first.stop_reason, "end_turn");
  assert.ok(first.usage.output_tokens > 0);
  assert.equal(first._request_id, first.id);
  const second = await sdk.messages.create({
    ...asked(""),
    messages: [
      { role: "user", content: capital("France") },
      { role: "assistant", content: first.content },
      { role: "user", content: capital("Italy") },
    ],
  });
  assert.match(second.content[0].text, /Rome/);
  assert.ok(second.usage.cache_read_input_tokens > second.usage.input_tokens);
});

test("tokens are counted as they are read", async () => {
  const { max_tokens, temperature, ...counted } = asked(capital("Spain"), { tools: [tool] });
  const { input_tokens } = await sdk.messages.countTokens(counted);
  const { usage } = await sdk.messages.create({ ...counted, max_tokens: 1 });
  assert.equal(input_tokens, usage.input_tokens + usage.cache_read_input_tokens);
});

test("raw events add up", async () => {
  const whole = await sdk.messages.create(asked(capital("Japan")));
  let text = "";
  const kinds = [];
  for await (const event of await sdk.messages.create(asked(capital("Japan"), { stream: true }))) {
    if (event.type !== kinds.at(-1)) kinds.push(event.type);
    if (event.type === "content_block_delta") text += event.delta.text;
  }
  assert.equal(text, whole.content[0].text);
  assert.deepEqual(kinds, [
    "message_start",
    "content_block_start",
    "content_block_delta",
    "content_block_stop",
    "message_delta",
    "message_stop",
  ]);
});

test("the stream helper tells text, thoughts and the whole message", async () => {
  const stream = sdk.messages.stream(
    asked(capital("Japan"), { thinking: { type: "enabled", budget_tokens: 1024 } }),
  );
  const told = { text: "", thinking: "", blocks: 0 };
  stream.on("text", (piece) => (told.text += piece));
  stream.on("thinking", (piece) => (told.thinking += piece));
  stream.on("contentBlock", () => (told.blocks += 1));
  const message = await stream.finalMessage();
  const [thought, said] = message.content;
  assert.equal(told.blocks, 2);
  assert.equal(told.thinking, thought.thinking);
  assert.equal(told.text, said.text);
  assert.ok(thought.signature);
  assert.match(said.text, /Tokyo/);
  assert.match(await stream.finalText(), /Tokyo/);
});

test("the stream helper puts a call's input together", async () => {
  const stream = sdk.messages.stream(asked(weather, { tools: [tool] }));
  const pieces = [];
  stream.on("inputJson", (piece) => pieces.push(piece));
  const message = await stream.finalMessage();
  const call = message.content.at(-1);
  assert.equal(message.stop_reason, "tool_use");
  assert.deepEqual([call.name, call.input], ["get_weather", { location: "Tokyo" }]);
  // A busy server may send the few letters at once.
  assert.deepEqual(JSON.parse(pieces.join("")), call.input);
});

for (const stream of [false, true]) {
  test(`the tool runner runs a whole turn, ${stream ? "streamed" : "whole"}`, async () => {
    const calls = [];
    const run = ({ location }) => {
      calls.push(location);
      return sunny;
    };
    const runner = sdk.beta.messages.toolRunner({
      ...asked(weather),
      stream,
      max_iterations: 3,
      tools: [betaTool({ name: tool.name, description: tool.description, inputSchema, run })],
    });
    let turns = 0;
    for await (const turn of runner) {
      if (stream) await turn.finalMessage();
      turns += 1;
    }
    const last = await runner.done();
    assert.deepEqual(calls, ["Tokyo"]);
    assert.equal(turns, 2);
    assert.match(last.content[0].text, /22/);
  });
}

test("parse reads the content", async () => {
  const size = {
    type: "object",
    properties: { width: { type: "integer" }, unit: { type: "string", enum: ["cm", "inch"] } },
    required: ["width", "unit"],
    additionalProperties: false,
  };
  const message = await sdk.messages.parse({
    ...asked("How wide is it?", { model: "first" }),
    output_config: { format: jsonSchemaOutputFormat(size) },
  });
  assert.ok(Number.isInteger(message.parsed_output.width));
  assert.ok(["cm", "inch"].includes(message.parsed_output.unit));
});

test("errors have the SDK's types", async () => {
  const failure = (promise) =>
    promise.then(
      () => assert.fail("it was answered"),
      (error) => error,
    );
  const missing = await failure(sdk.messages.create(asked("Hi", { model: "nobody-there" })));
  assert.ok(missing instanceof Anthropic.NotFoundError);
  assert.equal(missing.error.error.type, "not_found_error");
  assert.equal(missing.requestID, missing.error.request_id);
  const bad = await failure(sdk.messages.create(asked("Hi", { temperature: 5 })));
  assert.ok(bad instanceof Anthropic.BadRequestError);
  assert.match(bad.message, /temperature/);
  const long = await failure(sdk.messages.create(asked("hello ".repeat(20_000), { stream: true })));
  assert.ok(long instanceof Anthropic.BadRequestError);
  assert.match(long.message, /prompt is too long: \d+ tokens > \d+ maximum/);
});

test("models are listed", async () => {
  const ids = [];
  for await (const model of sdk.models.list({ limit: 1 })) ids.push(model.id);
  assert.ok(ids.includes("tiny-chat"));
  assert.equal((await sdk.models.retrieve("tiny-chat")).id, "tiny-chat");
});
