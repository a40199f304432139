// A stream that its client aborts, in the SDKs that have a way of their own to do so.
import assert from "node:assert/strict";
import test from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import { Ollama } from "ollama";
import { apiKey, newest, outcome, url } from "./support.mjs";

const messages = [{ role: "user", content: "hello" }];
const MOST = 50_000;

test("Anthropic's stream helper", async () => {
  const sdk = new Anthropic({ baseURL: url, apiKey, maxRetries: 0 });
  const stream = sdk.messages.stream({ model: "endless", max_tokens: MOST, temperature: 0, messages });
  stream.on("text", () => stream.abort());
  await assert.rejects(stream.done(), Anthropic.APIUserAbortError);
  assert.equal((await outcome((await newest()).id)).status, "cancelled");
});

test("Ollama's stream", async () => {
  const client = new Ollama({ host: url });
  const options = { temperature: 0, num_predict: MOST };
  const stream = await client.chat({ model: "endless", stream: true, options, messages });
  const reading = (async () => {
    for await (const part of stream) if (part.message.content) stream.abort();
  })();
  await assert.rejects(reading, { name: "AbortError" });
  assert.equal((await outcome((await newest()).id)).status, "cancelled");
});
