// Errors as the OpenAI SDK for Node throws them, and which of them it tries again.
import assert from "node:assert/strict";
import test from "node:test";
import OpenAI from "openai";
import { api, body, counted, endless, workerPid } from "./support.mjs";

async function failure(call, kind) {
  const error = await call.then(() => assert.fail("it did not fail"), (error) => error);
  assert.ok(error instanceof kind, `${error.constructor.name}: ${error.message}`);
  assert.deepEqual(Object.keys(error.error).sort(), ["code", "message", "param", "type"]);
  return error;
}

const facts = (error) => [error.status, error.type, error.param, error.code];

test("a bad request", async () => {
  for (const stream of [false, true]) {
    const { sdk, statuses } = counted();
    const call = sdk.chat.completions.create(body({ temperature: 5, stream }));
    const error = await failure(call, OpenAI.BadRequestError);
    assert.deepEqual(facts(error), [400, "invalid_request_error", "temperature", "invalid_value"]);
    assert.ok(error.requestID);
    assert.deepEqual(statuses, [400]);
  }
});

test("a wrong key", async () => {
  const { sdk } = counted({ apiKey: "wrong" });
  const error = await failure(sdk.chat.completions.create(body()), OpenAI.AuthenticationError);
  assert.deepEqual(facts(error), [401, "authentication_error", null, "invalid_api_key"]);
});

test("an unknown model", async () => {
  const { sdk, statuses } = counted();
  for (const model of ["nothing", "nobody/nothing"]) {
    for (const ask of [() => sdk.chat.completions.create(body({ model })), () => sdk.models.retrieve(model)]) {
      const error = await failure(ask(), OpenAI.NotFoundError);
      assert.deepEqual(facts(error), [404, "invalid_request_error", "model", "model_not_found"]);
    }
  }
  assert.deepEqual(statuses, [404, 404, 404, 404]);
});

test("an idempotency key that was used for something else", async () => {
  const { sdk, statuses } = counted();
  const headers = { "Idempotency-Key": "node" };
  const first = await sdk.chat.completions.create(body(), { headers });
  assert.equal((await sdk.chat.completions.create(body(), { headers })).id, first.id);
  const other = sdk.chat.completions.create(body({ max_tokens: 3 }), { headers });
  const error = await failure(other, OpenAI.ConflictError);
  assert.deepEqual(facts(error), [409, "invalid_request_error", "Idempotency-Key", "conflict"]);
  assert.deepEqual(statuses, [200, 200, 409]);
});

test("a timeout is not tried again", async () => {
  const { sdk, statuses } = counted();
  const error = await failure(sdk.chat.completions.create(endless()), OpenAI.InternalServerError);
  assert.deepEqual(facts(error), [504, "server_error", null, "timeout"]);
  assert.deepEqual(statuses, [504]);
});

test("a timeout in mid-stream ends it with an error", async () => {
  const { sdk, statuses } = counted();
  let heard = 0;
  const reading = async () => {
    for await (const chunk of await sdk.chat.completions.create(endless({ stream: true }))) {
      heard += (chunk.choices[0].delta.content ?? "").length;
    }
  };
  const error = await failure(reading(), OpenAI.APIError);
  assert.ok(heard > 0);
  assert.deepEqual([error.type, error.code], ["server_error", "timeout"]);
  assert.deepEqual(statuses, [200]);
});

test("a full queue is tried again", async () => {
  process.kill(workerPid, "SIGSTOP");
  const jobs = [];
  const letGo = async () => {
    for (const id of jobs.splice(0)) await api("POST", `/v1/jobs/${id}/cancel`);
    process.kill(workerPid, "SIGCONT");
  };
  try {
    for (;;) {
      const answer = await api("POST", "/v1/chat/completions", body(), { prefer: "respond-async" });
      if (answer.status === 429) break;
      jobs.push((await answer.json()).id);
    }
    const impatient = counted({ maxRetries: 0 });
    const error = await failure(impatient.sdk.chat.completions.create(body()), OpenAI.RateLimitError);
    assert.deepEqual(facts(error), [429, "rate_limit_error", null, "queue_full"]);
    const seconds = Number(error.headers.get("retry-after"));
    assert.ok(seconds >= 1 && seconds <= 120);

    const { sdk, statuses } = counted({}, letGo);
    assert.ok((await sdk.chat.completions.create(body())).choices[0].message.content);
    assert.deepEqual(statuses, [429, 200]);
  } finally {
    await letGo();
  }
});
