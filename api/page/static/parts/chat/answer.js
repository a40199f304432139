// An answer as it comes: from the events of its job to what is shown. It knows neither the server nor the page.

/** An answer of which nothing has come yet. */
export const blank = () => ({
  state: "queued",
  content: "",
  reasoning: "",
  calls: [],
  pieces: 0,
  beganAt: null,
  lastAt: null,
  progress: null,
  model: null,
  by: null,
  usage: null,
  finish: null,
  error: null,
  ended: false,
});

/**
 * Takes an event into the answer; changes it in place, because deltas are many.
 *
 * `at` is the server's time of the event in milliseconds. A `reset` makes the answer blank again: the job begins anew.
 */
export function take(answer, type, data, at) {
  if (type !== "delta" && !answer.pieces) answer.beganAt = at;
  switch (type) {
    case "started":
      answer.state = "starting";
      break;
    case "loading":
      answer.state = "loading";
      answer.model = data.model;
      break;
    case "loaded":
      answer.state = "starting";
      break;
    case "downloading":
      answer.state = "downloading";
      answer.progress = data;
      break;
    case "downloaded":
    case "requeued":
      answer.state = "queued";
      answer.progress = null;
      break;
    case "reset":
      Object.assign(answer, blank());
      break;
    case "progress":
      if (data.unit === "prompt_tokens") {
        answer.progress = data;
        answer.state = data.done < data.total ? "reading" : "starting";
      }
      break;
    case "delta":
      takeDelta(answer, data, at);
      break;
    case "completed":
      takeResult(answer, data.result);
      end(answer, "done");
      break;
    case "failed":
      answer.error = data.error?.message ?? "The job has failed.";
      end(answer, "failed");
      break;
    case "cancelled":
      end(answer, "stopped");
      break;
    case "expired":
      answer.error = "It waited longer than it was allowed to.";
      end(answer, "failed");
      break;
  }
  return answer;
}

function takeDelta(answer, { index, text, field = "content", call }, when) {
  if (index !== 0) return;
  answer.beganAt ??= when;
  answer.lastAt = when;
  answer.pieces += 1;
  answer.progress = null;
  if (field === "reasoning") {
    answer.state = "thinking";
    answer.reasoning += text;
  } else if (field === "tool_call") {
    answer.state = "calling";
    const at = call?.index ?? Math.max(0, answer.calls.length - 1);
    const known = (answer.calls[at] ??= { id: "", name: "", arguments: "" });
    if (call?.id) known.id = call.id;
    if (call?.name) known.name = call.name;
    known.arguments += text;
  } else {
    answer.state = "writing";
    answer.content += text;
  }
}

/** The whole answer, which wins over what has come in pieces. */
export function takeResult(answer, result) {
  const choice = result?.choices?.[0];
  if (!choice) return;
  answer.content = choice.message.content ?? "";
  answer.reasoning = choice.message.reasoning_content ?? "";
  answer.calls = (choice.message.tool_calls ?? []).map((call) => ({ id: call.id, ...call.function }));
  answer.usage = result.usage;
  answer.by = result.model;
  answer.finish = choice.finish_reason;
}

function end(answer, state) {
  answer.state = state;
  answer.progress = null;
  answer.ended = true;
}

/**
 * Tokens a second since the prompt was read: exact where the number of tokens is known, else by the pieces that have
 * come. A short answer comes in one piece, so that the time between the first and the last tells nothing.
 */
export function speed({ beganAt, lastAt, usage, pieces }) {
  const seconds = (lastAt - beganAt) / 1000;
  const tokens = usage?.completion_tokens ?? pieces;
  return seconds > 0 && tokens > 0 ? tokens / seconds : null;
}

/** What of an answer is kept in the conversation. */
export function kept(answer) {
  const { content, reasoning, calls, usage, finish, error } = answer;
  return {
    content,
    reasoning,
    calls,
    usage,
    finish,
    error,
    state: answer.state,
    speed: speed(answer),
  };
}
