"""`/v1/messages` as Anthropic's SDK and its agents use it."""

import json
from typing import Any

import anthropic
import httpx
import pytest
from anthropic.types import Message, RawMessageStreamEvent
from pydantic import TypeAdapter

from jobs.errors import ContextLengthExceeded, EngineFailure
from tests.support.scripted_worker import Run, ScriptedWorker

EVENT: TypeAdapter[RawMessageStreamEvent] = TypeAdapter(RawMessageStreamEvent)
HELLO = [{"role": "user", "content": "Hello"}]
WEATHER: dict[str, Any] = {
    "name": "get_weather",
    "description": "The weather of a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
PARIS = {"id": "call_1", "name": "get_weather", "arguments": '{"city": "Paris"}'}


def ask(**fields: Any) -> dict[str, Any]:
    return {"model": "tiny", "max_tokens": 100, "messages": HELLO, **fields}


def post(http: httpx.Client, **fields: Any) -> Message:
    answer = http.post("/v1/messages", json=ask(**fields))
    assert answer.status_code == 200, answer.text
    assert answer.headers["request-id"] == answer.headers["x-request-id"] == answer.json()["id"]
    return Message.model_validate(answer.json(), strict=True)


def heard(http: httpx.Client, worker: ScriptedWorker, **fields: Any) -> dict[str, Any]:
    """What the engine gets."""
    post(http, **fields)
    return dict(worker.runs[-1].payload)


def events(http: httpx.Client, **fields: Any) -> list[dict[str, Any]]:
    """Those of a stream, each checked by the SDK's types; a ping has none."""
    with http.stream("POST", "/v1/messages", json=ask(stream=True, **fields)) as answer:
        assert answer.status_code == 200
        frames = answer.read().decode().strip().split("\n\n")
    found = []
    for frame in frames:
        name, data = frame.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        if event["type"] not in ("ping", "error"):
            EVENT.validate_python(event)
        found.append(event)
    return found


def test_a_message_is_answered(claude: anthropic.Anthropic, worker: ScriptedWorker) -> None:
    worker.play(lambda run: run.complete("Hi there"))
    message = claude.messages.create(
        model="tiny", max_tokens=100, messages=[{"role": "user", "content": "Hi"}]
    )
    assert message.id.startswith("msg_")
    assert [block.to_dict() for block in message.content] == [
        {"type": "text", "text": "Hi there", "citations": None}
    ]
    assert (message.model, message.role, message.stop_reason) == ("tiny", "assistant", "end_turn")
    usage = message.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (5, 2, 3)


def test_every_way_to_end_has_its_reason(http: httpx.Client, worker: ScriptedWorker) -> None:
    def ending(**choice: Any) -> tuple[str | None, str | None]:
        worker.play(lambda run: run.answer({"text": "x", **choice}, completion_tokens=100))
        message = post(http)
        return message.stop_reason, message.stop_sequence

    assert ending(finish_reason="stop") == ("end_turn", None)
    assert ending(finish_reason="stop", stop="\n") == ("stop_sequence", "\n")
    assert ending(finish_reason="length") == ("max_tokens", None)
    assert ending(finish_reason="tool_calls", tool_calls=[PARIS]) == ("tool_use", None)
    worker.play(lambda run: run.answer({"text": "x", "finish_reason": "length"}, completion_tokens=99))
    assert post(http).stop_reason == "model_context_window_exceeded"


def test_a_stream_has_blocks_that_begin_and_end(http: httpx.Client, worker: ScriptedWorker) -> None:
    def play(run: Run) -> None:
        run.tell("Let me ", field="reasoning")
        run.tell("see.", field="reasoning")
        run.say("I ", "look.")
        run.tell("", field="tool_call", call={"index": 0, "id": "call_1", "name": "get_weather"})
        run.tell('{"city":', field="tool_call", call={"index": 0})
        run.tell('"Paris"}', field="tool_call", call={"index": 0})
        run.tell("{}", field="tool_call", call={"index": 1, "id": "call_2", "name": "get_weather"})
        run.answer(
            {
                "text": "I look.",
                "reasoning": "Let me see.",
                "finish_reason": "tool_calls",
                "tool_calls": [
                    {**PARIS, "arguments": '{"city":"Paris"}'},
                    {"id": "call_2", "name": "get_weather", "arguments": "{}"},
                ],
            }
        )

    worker.play(play)
    told = events(http, tools=[WEATHER], thinking={"type": "enabled", "budget_tokens": 1024})
    assert [event["type"] for event in told[:2]] == ["message_start", "ping"]
    assert [event["type"] for event in told[-2:]] == ["message_delta", "message_stop"]
    starts = [event["content_block"] for event in told if event["type"] == "content_block_start"]
    assert [(block["type"], block.get("id")) for block in starts] == [
        ("thinking", None),
        ("text", None),
        ("tool_use", "call_1"),
        ("tool_use", "call_2"),
    ]
    assert [event["index"] for event in told if event["type"] == "content_block_stop"] == [0, 1, 2, 3]
    deltas = [event["delta"] for event in told if event["type"] == "content_block_delta"]
    assert "".join(delta.get("thinking", "") for delta in deltas) == "Let me see."
    assert "".join(delta.get("text", "") for delta in deltas) == "I look."
    assert [delta["partial_json"] for delta in deltas if delta["type"] == "input_json_delta"] == [
        '{"city":',
        '"Paris"}',
        "{}",
    ]
    assert [delta["type"] for delta in deltas].count("signature_delta") == 1
    assert told[-2]["delta"] == {"stop_reason": "tool_use", "stop_sequence": None}
    assert told[-2]["usage"]["cache_read_input_tokens"] == 2


def test_the_sdk_puts_a_stream_together(claude: anthropic.Anthropic, worker: ScriptedWorker) -> None:
    def play(run: Run) -> None:
        run.tell("Hm.", field="reasoning")
        run.tell('{"city":', field="tool_call", call={"index": 0, "id": "call_1", "name": "get_weather"})
        run.answer({"reasoning": "Hm.", "finish_reason": "tool_calls", "tool_calls": [PARIS]})

    worker.play(play)
    with claude.messages.stream(
        model="tiny",
        max_tokens=100,
        messages=[{"role": "user", "content": "Hi"}],
        tools=[{"name": "get_weather", "input_schema": WEATHER["input_schema"]}],
        thinking={"type": "adaptive", "display": "summarized"},
    ) as stream:
        thinking, call = (block.to_dict() for block in stream.get_final_message().content)
    assert thinking.pop("signature")
    assert thinking == {"type": "thinking", "thinking": "Hm."}
    named = {"id": "call_1", "name": "get_weather", "input": {"city": "Paris"}}
    assert {key: call[key] for key in named} == named


def test_thoughts_that_are_not_shown_come_back_by_their_signature(
    http: httpx.Client, worker: ScriptedWorker
) -> None:
    worker.play(lambda run: run.answer({"text": "Four.", "reasoning": "2 + 2"}))
    thinking = {"type": "adaptive", "display": "omitted"}
    answer = post(http, thinking=thinking).model_dump(mode="json", exclude_none=True)
    assert answer["content"][0]["thinking"] == ""
    history = [*HELLO, {"role": "assistant", "content": answer["content"]}, *HELLO]
    assert heard(http, worker, messages=history, thinking=thinking)["messages"][1] == {
        "role": "assistant",
        "content": "Four.",
        "reasoning_content": "2 + 2",
    }


def test_who_asks_for_no_thoughts_gets_none(http: httpx.Client, worker: ScriptedWorker) -> None:
    worker.play(lambda run: run.answer({"text": "Four.", "reasoning": "2 + 2"}))
    assert [block.type for block in post(http).content] == ["text"]
    assert worker.runs[-1].payload["enable_thinking"] is False
    assert "enable_thinking" not in heard(http, worker, thinking={"type": "adaptive"})
    # Some clients send a budget that is as large as the answer.
    told = heard(http, worker, thinking={"type": "enabled", "budget_tokens": 100})
    assert told["enable_thinking"] is True


def test_a_conversation_reaches_the_engine_as_templates_take_it(
    http: httpx.Client, worker: ScriptedWorker
) -> None:
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "Weather?"}]},
        {"role": "system", "content": "Be brief."},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "I must look.", "signature": "foreign"},
                {"type": "redacted_thinking", "data": "x"},
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "call_1", "name": "get_weather", "input": {"city": "Paris"}},
                {"type": "tool_use", "id": "call_2", "name": "get_weather", "input": {}},
                {"type": "server_tool_use", "id": "x", "name": "web_search", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Here."},
                {"type": "tool_result", "tool_use_id": "call_1", "content": "Sunny"},
                {"type": "tool_result", "tool_use_id": "call_2", "is_error": True},
                {
                    "type": "document",
                    "title": "Notes",
                    "source": {"type": "text", "media_type": "text/plain", "data": "A note."},
                },
            ],
        },
    ]
    system = [
        {"type": "text", "text": "One.", "cache_control": {"type": "ephemeral"}},
        {"type": "text", "text": "Two."},
    ]
    assert heard(http, worker, system=system, messages=messages, tools=[WEATHER])["messages"] == [
        {"role": "system", "content": "One.\n\nTwo."},
        {"role": "user", "content": "Weather?"},
        {"role": "system", "content": "Be brief."},
        {
            "role": "assistant",
            "content": "I look.",
            "reasoning_content": "I must look.",
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "get_weather", "arguments": '{"city":"Paris"}'},
                },
                {"id": "call_2", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}},
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "Sunny"},
        {"role": "tool", "tool_call_id": "call_2", "content": "The tool failed."},
        {"role": "user", "content": "Here.\n\nNotes\n\nA note."},
    ]


def test_tools_and_the_choice_among_them(http: httpx.Client, worker: ScriptedWorker) -> None:
    search = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
    bash = {"type": "bash_20250124", "name": "bash"}
    later = {**WEATHER, "name": "later", "defer_loading": True}
    answer = http.post("/v1/messages", json=ask(tools=[WEATHER, search, bash, later]))
    assert "web_search_20250305" in answer.headers["warning"]
    tools = worker.runs[-1].payload["tools"]
    assert [tool["function"]["name"] for tool in tools] == ["get_weather", "bash"]
    assert tools[0]["function"]["parameters"] == WEATHER["input_schema"]
    assert tools[1]["function"]["parameters"]["properties"]["command"] == {"type": "string"}

    def choice(**said: Any) -> tuple[Any, Any, Any]:
        payload = heard(http, worker, tools=[WEATHER], tool_choice=said)
        return (
            payload.get("tools") is not None,
            payload.get("tool_choice"),
            payload.get("parallel_tool_calls"),
        )

    assert choice(type="auto") == (True, None, None)
    assert choice(type="any", disable_parallel_tool_use=True) == (True, "required", False)
    assert choice(type="tool", name="get_weather") == (True, {"name": "get_weather"}, None)
    assert choice(type="none") == (False, None, None)


def test_a_deferred_tool_is_offered_when_it_was_found(http: httpx.Client, worker: ScriptedWorker) -> None:
    search = {**WEATHER, "name": "search"}
    later = {**WEATHER, "defer_loading": True, "strict": True}
    call = {"type": "tool_use", "id": "a", "name": "search", "input": {"city": "x"}}
    reference = {"type": "tool_reference", "tool_name": "get_weather"}
    found: list[dict[str, Any]] = [
        *HELLO,
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": [reference]}]},
    ]

    def names(**fields: Any) -> list[str]:
        tools = heard(http, worker, **fields)["tools"]
        return [tool["function"]["name"] for tool in tools]

    assert names(tools=[search, later]) == ["search"]
    assert names(tools=[search, later], messages=found) == ["search", "get_weather"]
    assert "get_weather" in worker.runs[-1].payload["messages"][-1]["content"]
    choice = {"type": "tool", "name": "get_weather"}
    assert names(tools=[search, later], messages=found, tool_choice=choice) == ["search", "get_weather"]
    # Nobody searches here for Anthropic.
    hosted = {"type": "tool_search_tool_bm25_20251119", "name": "tool_search_tool_bm25"}
    assert names(tools=[hosted, later]) == ["get_weather"]


def test_examples_of_a_tools_input_are_described(http: httpx.Client, worker: ScriptedWorker) -> None:
    tool = {**WEATHER, "input_examples": [{"city": "Ulm"}, {"city": "Köln"}]}
    described = heard(http, worker, tools=[tool])["tools"][0]["function"]["description"]
    assert described == 'The weather of a city\n\nExamples of its input:\n{"city":"Ulm"}\n{"city":"Köln"}'


def test_what_has_no_effect_is_told(http: httpx.Client, worker: ScriptedWorker) -> None:
    def told(**fields: Any) -> str:
        answer = http.post("/v1/messages", json=ask(**fields))
        assert answer.status_code == 200, answer.text
        return str(answer.headers.get("warning", ""))

    document = {"type": "document", "source": {"type": "text", "data": "A note."}}
    said = [{"role": "user", "content": [{**document, "citations": {"enabled": True}}]}]
    assert "citations" in told(messages=said)
    result = {"type": "tool_result", "tool_use_id": "a", "content": said[0]["content"]}
    call = {"type": "tool_use", "id": "a", "name": "b", "input": {}}
    turn = [{"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
    assert "citations" in told(messages=[*HELLO, *turn])
    off = [{"role": "user", "content": [{**document, "citations": {"enabled": False}}]}]
    assert told(messages=off) == ""
    assert "context_management" in told(context_management={"edits": [{"type": "clear_tool_uses_20250919"}]})
    assert "container" in told(container={"skills": []})
    assert told(metadata={"user_id": "u"}, cache_control={"type": "ephemeral"}) == ""


def test_parameters_reach_the_engine(http: httpx.Client, worker: ScriptedWorker) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    payload = heard(
        http,
        worker,
        temperature=0.5,
        top_p=0.9,
        top_k=5,
        stop_sequences=["\n", "END"],
        seed=7,
        output_config={"effort": "max", "format": {"type": "json_schema", "schema": schema}},
        metadata={"user_id": "u"},
        context_management={"edits": []},
    )
    assert payload["max_tokens"] == 100
    assert (payload["temperature"], payload["top_p"], payload["top_k"]) == (0.5, 0.9, 5)
    assert (payload["stop"], payload["seed"]) == (["\n", "END"], 7)
    assert payload["reasoning_effort"] == "xhigh"
    assert payload["grammar"]["json_schema"]["required"] == ["a"]


def test_an_answer_that_has_begun_goes_on(http: httpx.Client, worker: ScriptedWorker) -> None:
    payload = heard(http, worker, messages=[*HELLO, {"role": "assistant", "content": "The answer is ("}])
    assert payload["continue_final_message"] is True


def test_nothing_is_answered_where_only_the_cache_is_wanted(
    http: httpx.Client, worker: ScriptedWorker
) -> None:
    worker.play(lambda run: run.complete("x", finish_reason="length", completion_tokens=1))
    message = post(http, max_tokens=0)
    assert (message.content, message.stop_reason) == ([], "max_tokens")
    assert message.usage.output_tokens == 0
    assert worker.runs[-1].payload["max_tokens"] == 1
    told = events(http, max_tokens=0)
    assert "content_block_start" not in {event["type"] for event in told}
    assert told[-2]["usage"]["output_tokens"] == 0


def test_a_job_can_be_polled_in_the_same_shape(http: httpx.Client, worker: ScriptedWorker) -> None:
    worker.play(lambda run: run.complete("Later"))
    accepted = http.post("/v1/messages", json=ask(), headers={"prefer": "respond-async"})
    assert accepted.status_code == 202
    job = http.get(f"/v1/jobs/{accepted.json()['id']}?wait=10").json()
    assert Message.model_validate(job["result"]).content[0].to_dict()["text"] == "Later"


def test_errors_have_anthropics_shape(
    claude: anthropic.Anthropic, worker: ScriptedWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.dispatch.pump.PATIENCE", 20.0)
    with pytest.raises(anthropic.NotFoundError) as missing:
        claude.messages.create(model="nope", max_tokens=9, messages=[{"role": "user", "content": "Hi"}])
    body = missing.value.body
    assert isinstance(body, dict)
    assert (body["type"], body["error"]["type"]) == ("error", "not_found_error")
    assert body["request_id"] == missing.value.request_id
    worker.play(lambda run: run.fail(ContextLengthExceeded("prompt is too long: 9 tokens > 8 maximum")))
    with pytest.raises(anthropic.BadRequestError, match="prompt is too long: 9 tokens > 8 maximum"):
        claude.messages.create(
            model="tiny", max_tokens=9, messages=[{"role": "user", "content": "Hi"}], stream=True
        )


def test_a_stream_that_fails_says_so(http: httpx.Client, worker: ScriptedWorker) -> None:
    def play(run: Run) -> None:
        run.say("Half of")
        run.fail(EngineFailure("The model failed."))

    worker.play(play)
    last = events(http)[-1]
    assert last["type"] == "error"
    assert last["error"] == {"type": "api_error", "message": "The model failed."}
    assert last["request_id"].startswith("msg_")


def test_a_thread_is_refused_so_that_the_sdk_sends_all(http: httpx.Client, worker: ScriptedWorker) -> None:
    answer = http.post("/v1/messages?beta=true", json=ask(thread={"type": "create"}))
    assert answer.status_code == 400
    assert answer.json()["error"]["details"] == {
        "error_code": "thread_unsupported_request",
        "unsupported": ["thread"],
    }


def block(role: str = "user", **fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": [fields]}]}


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no model": ({"model": None}, "model"),
    "model is a number": ({"model": 3}, "model"),
    "no max_tokens": ({"max_tokens": None}, "max_tokens"),
    "max_tokens below 0": ({"max_tokens": -1}, "max_tokens"),
    "max_tokens is text": ({"max_tokens": "9"}, "max_tokens"),
    "max_tokens too large": ({"max_tokens": 2**40}, "max_tokens"),
    "no messages": ({"messages": None}, "messages"),
    "empty messages": ({"messages": []}, "messages"),
    "messages is text": ({"messages": "Hello"}, "messages"),
    "a message is text": ({"messages": ["Hello"]}, "messages[0]"),
    "role": ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
    "no content": ({"messages": [{"role": "user"}]}, "messages[0].content"),
    "content is a number": ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content"),
    "unknown block": (block(type="hologram"), "messages[0].content[0]"),
    "block without type": (block(text="x"), "messages[0].content[0]"),
    "block is text": ({"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content[0]"),
    "text is a number": (block(type="text", text=3), "messages[0].content[0].text"),
    "image without source": (block(type="image"), "messages[0].content[0].source"),
    "document that is none": (
        {
            "system": "Be brief.",
            **block(type="document", source={"type": "base64", "media_type": "a/b", "data": "§"}),
        },
        "messages[0].content[0]",
    ),
    "image of nothing": (block(type="image", source={"type": "file"}), "messages[0].content[0].source"),
    "image of an assistant": (
        block("assistant", type="image", source={"type": "url", "url": "http://x"}),
        "messages[0].content",
    ),
    "call of a user": (block(type="tool_use", id="a", name="b", input={}), "messages[0].content"),
    "result of an assistant": (
        block("assistant", type="tool_result", tool_use_id="a"),
        "messages[0].content",
    ),
    "result of nothing": (block(type="tool_result", content="x"), "messages[0].content[0].tool_use_id"),
    "unknown block in a result": (
        block(type="tool_result", tool_use_id="a", content=[{"type": "hologram"}]),
        "messages[0].content[0].content[0]",
    ),
    "input is a list": (
        block("assistant", type="tool_use", id="a", name="b", input=[]),
        "messages[0].content[0].input",
    ),
    "call without an answer": (block("assistant", type="tool_use", id="a", name="b", input={}), "messages"),
    "system is a number": ({"system": 3}, "system"),
    "system is an image": ({"system": [{"type": "image"}]}, "system[0].type"),
    "temperature": ({"temperature": 3}, "temperature"),
    "top_p": ({"top_p": 1.1}, "top_p"),
    "top_k": ({"top_k": -2}, "top_k"),
    "stop_sequences is text": ({"stop_sequences": "x"}, "stop_sequences"),
    "empty stop sequence": ({"stop_sequences": [""]}, "stop_sequences[0]"),
    "stream is text": ({"stream": "yes"}, "stream"),
    "thinking": ({"thinking": {"type": "deep"}}, "thinking.type"),
    "thinking is true": ({"thinking": True}, "thinking"),
    "effort": ({"output_config": {"effort": "utmost"}}, "output_config.effort"),
    "format": ({"output_config": {"format": {"type": "xml"}}}, "output_config.format.type"),
    "schema": (
        {"output_config": {"format": {"type": "json_schema", "schema": {"type": "wrong"}}}},
        "output_config.format.schema",
    ),
    "tools is an object": ({"tools": {}}, "tools"),
    "tool without a name": ({"tools": [{"input_schema": {}}]}, "tools[0]"),
    "tool without a schema": ({"tools": [{"name": "a"}]}, "tools[0]"),
    "tool of a bad name": ({"tools": [{**WEATHER, "name": "a b"}]}, "tools[0].name"),
    "tool of a list": (
        {"tools": [{"name": "a", "input_schema": {"type": "array"}}]},
        "tools[0].input_schema",
    ),
    "two tools of a name": ({"tools": [WEATHER, WEATHER]}, "tools"),
    "choice": ({"tools": [WEATHER], "tool_choice": {"type": "all"}}, "tool_choice"),
    "choice without tools": ({"tool_choice": {"type": "any"}}, "tool_choice"),
    "choice of nothing": ({"tools": [WEATHER], "tool_choice": {"type": "tool", "name": "b"}}, "tool_choice"),
}


def test_bad_input_is_refused_in_anthropics_shape(http: httpx.Client) -> None:
    for name, (fields, place) in BAD.items():
        body = {key: value for key, value in ask(**fields).items() if value is not None}
        answer = http.post("/v1/messages", json=body)
        assert answer.status_code == 400, name
        said = answer.json()
        assert set(said) == {"type", "error", "request_id"}, name
        assert said["request_id"] == answer.headers["request-id"], name
        assert said["error"]["type"] == "invalid_request_error", name
        assert place in said["error"]["message"], name


def test_the_sdks_tool_runner_runs_a_turn(claude: anthropic.Anthropic, worker: ScriptedWorker) -> None:
    """It asks for a thread that the server holds, and goes on without."""

    @anthropic.beta_tool
    def get_weather(city: str) -> str:
        """The weather of a city."""
        return f"Sunny in {city}"

    def play(run: Run) -> None:
        if run.payload["messages"][-1]["role"] == "tool":
            run.complete(run.payload["messages"][-1]["content"])
        else:
            run.answer({"finish_reason": "tool_calls", "tool_calls": [PARIS]})

    worker.play(play)
    runner = claude.beta.messages.tool_runner(
        model="tiny", max_tokens=100, tools=[get_weather], messages=[{"role": "user", "content": "Weather?"}]
    )
    *_, last = runner
    assert [block.to_dict()["text"] for block in last.content] == ["Sunny in Paris"]
