// The API while Redis is away.
import assert from "node:assert/strict";
import test from "node:test";
import OpenAI from "openai";
import { body, counted } from "./support.mjs";

test("a lost Redis is a 503 that says when to come back", async () => {
  const { sdk, statuses } = counted({ maxRetries: 0 });
  const error = await sdk.chat.completions.create(body()).then(() => assert.fail(), (error) => error);
  assert.ok(error instanceof OpenAI.InternalServerError);
  assert.deepEqual([error.status, error.type, error.code], [503, "server_error", "service_unavailable"]);
  assert.ok(Number(error.headers.get("retry-after")) >= 1);
  assert.deepEqual(statuses, [503]);
});
