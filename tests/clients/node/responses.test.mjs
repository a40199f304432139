// Responses, as the OpenAI SDK for Node offers them.
import assert from "node:assert/strict";
import test from "node:test";
import { counted } from "./support.mjs";

const { sdk } = counted({ maxRetries: 0 });
const asked = (input, fields = {}) => ({ model: "tiny-chat", input, temperature: 0, ...fields });

test("a conversation goes on", async () => {
  const first = await sdk.responses.create(asked("What is the capital of France?"));
  assert.match(first.output_text, /Paris/);
  const second = await sdk.responses.create(
    asked("What is the capital of Italy?", { previous_response_id: first.id }),
  );
  assert.match(second.output_text, /Rome/);
  assert.ok(second.usage.input_tokens > first.usage.input_tokens);
  const items = [];
  for await (const item of sdk.responses.inputItems.list(second.id)) items.push(item);
  assert.equal(items.length, 1);
});

test("a stream adds up, and is resumed", async () => {
  const events = [];
  for await (const event of await sdk.responses.create(
    asked("What is the capital of France?", { stream: true, background: true }),
  )) {
    events.push(event);
  }
  const { response } = events.at(-1);
  const text = events.filter((event) => event.type === "response.output_text.delta");
  assert.equal(text.map((event) => event.delta).join(""), response.output[0].content[0].text);
  const rest = [];
  for await (const event of await sdk.responses.retrieve(response.id, { stream: true, starting_after: 4 })) {
    rest.push(event);
  }
  assert.deepEqual(rest, events.slice(5));
  const helper = sdk.responses.stream(asked("What is the capital of France?"));
  assert.match((await helper.finalResponse()).output_text, /Paris/);
});

test("a function is called and its result told", async () => {
  const parameters = {
    type: "object",
    properties: { location: { type: "string", maxLength: 40 } },
    required: ["location"],
    additionalProperties: false,
  };
  const tools = [
    { type: "function", name: "get_weather", description: "Get the current weather", parameters, strict: true },
  ];
  const input = [{ role: "user", content: "What's the weather in Tokyo?" }];
  const { output } = await sdk.responses.create(asked(input, { tools, store: false }));
  assert.equal(output[0].type, "function_call");
  assert.deepEqual(JSON.parse(output[0].arguments), { location: "Tokyo" });
  const result = {
    type: "function_call_output",
    call_id: output[0].call_id,
    output: '{"temperature": 22, "conditions": "sunny"}',
  };
  const told = await sdk.responses.create(asked([...input, ...output, result], { tools }));
  assert.match(told.output_text, /22/);
});

test("a background response is polled, cancelled and deleted", async () => {
  let found = await sdk.responses.create(asked("Hello!", { background: true }));
  while (found.status === "queued" || found.status === "in_progress") {
    found = await sdk.responses.retrieve(found.id);
  }
  assert.equal(found.status, "completed");
  assert.equal((await sdk.responses.cancel(found.id)).status, "completed");
  await sdk.responses.delete(found.id);
  await assert.rejects(sdk.responses.retrieve(found.id), { status: 404 });
});
