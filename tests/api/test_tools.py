"""Tools: what of them reaches the engine, how calls come back, and what is refused."""

from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from tests.api.requests import TIME, WEATHER, chat, chunks
from tests.api.test_bad_input import check, nested
from tests.api.test_stream import stream
from tests.support.openai_shape import check_chunks, check_shape
from tests.support.scripted_worker import Run, ScriptedWorker

CHAT = "/v1/chat/completions"
PARIS = {"id": "call_1", "name": "get_weather", "arguments": '{"city": "Paris"}'}
NOON = {"id": "call_2", "name": "get_time", "arguments": "{}"}


def asked(http: httpx.Client, worker: ScriptedWorker, **fields: Any) -> dict[str, Any]:
    """What of a request the engine gets, but for its messages."""
    http.post(CHAT, json=chat(**fields)).raise_for_status()
    payload = dict(worker.runs[-1].payload)
    del payload["messages"]
    return payload


def test_the_engine_hears_of_tools_and_of_what_it_must(http: httpx.Client, worker: ScriptedWorker) -> None:
    tools = [WEATHER, TIME]
    assert asked(http, worker, tools=tools) == {"tools": tools}
    assert asked(http, worker, tools=tools, tool_choice="auto") == {"tools": tools}
    assert asked(http, worker, tools=tools, tool_choice="none") == {}
    assert asked(http, worker, tools=[], tool_choice="auto") == {}
    assert asked(http, worker, tools=tools, tool_choice="required") == {
        "tools": tools,
        "tool_choice": "required",
    }
    named = {"type": "function", "function": {"name": "get_time"}}
    assert asked(http, worker, tools=tools, tool_choice=named, parallel_tool_calls=False) == {
        "tools": tools,
        "tool_choice": {"name": "get_time"},
        "parallel_tool_calls": False,
    }
    assert asked(http, worker, tools=tools, parallel_tool_calls=True) == {"tools": tools}


def test_arguments_are_objects_also_when_nobody_says_so(http: httpx.Client, worker: ScriptedWorker) -> None:
    said = {"properties": {"a": {"type": "string"}}}
    tools = asked(http, worker, tools=[tool(parameters=said), TIME])["tools"]
    assert tools == [tool(parameters={"type": "object", **said}), TIME]


@pytest.mark.parametrize("mode", ["auto", "required"])
def test_some_of_the_tools_may_be_allowed(http: httpx.Client, worker: ScriptedWorker, mode: str) -> None:
    allowed = {"mode": mode, "tools": [{"type": "function", "function": {"name": "get_time"}}]}
    choice = {"type": "allowed_tools", "allowed_tools": allowed}
    expected = {"tools": [TIME]} | ({"tool_choice": "required"} if mode == "required" else {})
    assert asked(http, worker, tools=[WEATHER, TIME], tool_choice=choice) == expected


def test_the_sdk_gets_its_calls(sdk: openai.OpenAI, worker: ScriptedWorker) -> None:
    call = {"finish_reason": "tool_calls", "tool_calls": [PARIS, NOON]}
    worker.play(lambda run: run.answer(call))
    answer = sdk.chat.completions.create(**chat(tools=[WEATHER, TIME]))
    check_shape("CreateChatCompletionResponse", answer.model_dump(mode="json", exclude_unset=True))
    (choice,) = answer.choices
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    assert choice.message.tool_calls is not None
    assert [(each.id, each.type) for each in choice.message.tool_calls] == [
        ("call_1", "function"),
        ("call_2", "function"),
    ]
    first = choice.message.tool_calls[0]
    assert first.type == "function"
    assert (first.function.name, first.function.arguments) == ("get_weather", '{"city": "Paris"}')


def test_text_before_a_call_stays(http: httpx.Client, worker: ScriptedWorker) -> None:
    worker.play(lambda run: run.answer({"text": "Let me look.", "tool_calls": [NOON]}))
    message = http.post(CHAT, json=chat(tools=[TIME])).json()["choices"][0]["message"]
    assert message["content"] == "Let me look."
    assert message["tool_calls"][0]["function"]["name"] == "get_time"


def tell_calls(run: Run) -> None:
    run.say("Let me ", "look.")
    run.tell(field="tool_call", call={"index": 0, "id": "call_1", "name": "get_weather"})
    run.tell('{"city": ', field="tool_call", call={"index": 0})
    run.tell('"Paris"}', field="tool_call", call={"index": 0})
    run.tell("{}", field="tool_call", call={"index": 1, "id": "call_2", "name": "get_time"})


WHOLE = {"text": "Let me look.", "finish_reason": "tool_calls", "tool_calls": [PARIS, NOON]}


def calls_in(told: list[dict[str, Any]]) -> list[dict[str, str]]:
    """The calls that these chunks add up to, as a client puts them together."""
    calls: list[dict[str, str]] = []
    for chunk in told:
        for choice in chunk["choices"]:
            for piece in choice["delta"].get("tool_calls", ()):
                if "id" in piece:
                    assert piece["index"] == len(calls)
                    assert piece["type"] == "function"
                    calls.append({"id": piece["id"], "name": piece["function"]["name"], "arguments": ""})
                calls[piece["index"]]["arguments"] += piece["function"]["arguments"]
    return calls


def content_in(told: list[dict[str, Any]]) -> str:
    return "".join(c["choices"][0]["delta"].get("content") or "" for c in told if c["choices"])


def test_calls_are_streamed_as_they_are_written(http: httpx.Client, worker: ScriptedWorker) -> None:
    def play(run: Run) -> None:
        tell_calls(run)
        run.answer(WHOLE)

    worker.play(play)
    told = chunks(stream(http, tools=[WEATHER, TIME], stream_options={"include_usage": True}))
    check_chunks("CreateChatCompletionStreamResponse", told)
    assert content_in(told) == "Let me look."
    assert calls_in(told) == [PARIS, NOON]
    pieces = [
        c for chunk in told for choice in chunk["choices"] for c in choice["delta"].get("tool_calls", ())
    ]
    assert [piece["function"]["arguments"] for piece in pieces] == ["", '{"city": ', '"Paris"}', "{}"]
    assert [c["choices"][0]["finish_reason"] for c in told if c["choices"]].count("tool_calls") == 1


def test_the_sdk_puts_a_streamed_call_together(sdk: openai.OpenAI, worker: ScriptedWorker) -> None:
    def play(run: Run) -> None:
        tell_calls(run)
        run.answer(WHOLE)

    worker.play(play)
    with sdk.chat.completions.stream(**chat(tools=[WEATHER, TIME])) as streamed:
        answer = streamed.get_final_completion()
    calls = answer.choices[0].message.tool_calls
    assert calls is not None
    assert [call.function.arguments for call in calls] == ['{"city": "Paris"}', "{}"]


def test_calls_that_no_delta_brought_come_with_the_end(http: httpx.Client, worker: ScriptedWorker) -> None:
    def play(run: Run) -> None:
        run.tell('{"ci', field="tool_call", call={"index": 0, "id": "call_1", "name": "get_weather"})
        run.answer(WHOLE)

    worker.play(play)
    told = chunks(stream(http, tools=[WEATHER, TIME]))
    assert calls_in(told) == [PARIS, NOON]
    assert content_in(told) == "Let me look."


def test_a_rerun_tells_no_call_twice(http: httpx.Client, worker: ScriptedWorker) -> None:
    def die(run: Run) -> None:
        run.say("Let me ", "look.")
        run.tell('{"city"', field="tool_call", call={"index": 0, "id": "call_1", "name": "get_weather"})
        run.requeue()

    def again(run: Run) -> None:
        tell_calls(run)
        run.answer(WHOLE)

    worker.play(die, again)
    told = chunks(stream(http, tools=[WEATHER, TIME]))
    assert content_in(told) == "Let me look."
    assert calls_in(told) == [PARIS, NOON]


@pytest.mark.parametrize(
    "second",
    [
        {"index": 0, "id": "call_1", "name": "get_time"},
        {"index": 0, "id": "call_9", "name": "get_weather"},
        None,
    ],
    ids=["another tool", "another id", "no call"],
)
def test_a_rerun_that_calls_something_else_breaks_the_stream(
    sdk: openai.OpenAI, worker: ScriptedWorker, second: dict[str, Any] | None
) -> None:
    def die(run: Run) -> None:
        run.tell("{", field="tool_call", call={"index": 0, "id": "call_1", "name": "get_weather"})
        run.requeue()

    def again(run: Run) -> None:
        if second:
            run.tell("{", field="tool_call", call=second)
        run.answer({"text": "No."})

    worker.play(die, again)
    answer = sdk.chat.completions.create(**chat(tools=[WEATHER, TIME]), stream=True)
    with pytest.raises(openai.APIError, match="differs from what was streamed"):
        list(answer)


def test_a_conversation_with_tools_goes_on(http: httpx.Client, worker: ScriptedWorker) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "The weather?"},
        {"role": "assistant", "content": None, "reasoning_content": "Look it up.", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "22 °C"}]},
    ]
    http.post(CHAT, json={"model": "tiny", "messages": messages, "tools": [WEATHER]}).raise_for_status()
    assert worker.runs[0].payload["messages"] == [
        {"role": "user", "content": "The weather?"},
        {"role": "assistant", "content": "", "tool_calls": [call], "reasoning_content": "Look it up."},
        {"role": "tool", "content": "22 °C", "tool_call_id": "call_1"},
    ]


def sent(http: httpx.Client, worker: ScriptedWorker, messages: list[Any], **fields: Any) -> dict[str, Any]:
    """The payload that the engine gets for these messages."""
    http.post(CHAT, json={"model": "tiny", "messages": messages, **fields}).raise_for_status()
    return worker.runs[-1].payload


def test_calls_and_results_are_taken_as_other_servers_write_them(
    http: httpx.Client, worker: ScriptedWorker
) -> None:
    arguments: list[Any] = [{"city": "Rome"}, None, "", '{"city": "Ro']
    calls = [{"function": {"name": f"f{number}", "arguments": a}} for number, a in enumerate(arguments)]
    old = {"role": "assistant", "content": None, "function_call": {"name": "g", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "The weather?"},
        {"role": "assistant", "tool_calls": calls},
        {"role": "tool", "tool_name": "f1", "content": "second"},
        {"role": "tool", "content": None},
        {"role": "function", "name": "f3", "content": "fourth"},
        old,
        {"role": "tool", "tool_call_id": "call_2", "content": "third"},
        {"role": "function", "name": "g", "content": "fifth"},
    ]
    told = sent(http, worker, messages)["messages"]
    assert [call["function"]["arguments"] for call in told[1]["tool_calls"]] == [
        '{"city":"Rome"}',
        "",
        "",
        '{"city": "Ro',
    ]
    assert [call["id"] for call in told[1]["tool_calls"]] == ["call_0", "call_1", "call_2", "call_3"]
    assert [m["tool_call_id"] for m in told if m["role"] == "tool"] == [
        "call_1",
        "call_0",
        "call_3",
        "call_2",
        "call_4",
    ]
    assert told[5]["tool_calls"] == [
        {"id": "call_4", "type": "function", "function": {"name": "g", "arguments": "{}"}}
    ]


def test_reasoning_of_earlier_answers_has_three_names(http: httpx.Client, worker: ScriptedWorker) -> None:
    for name in ("reasoning_content", "reasoning", "thinking"):
        told = sent(http, worker, [{"role": "user", "content": "a"}, {"role": "assistant", name: "Hm."}])
        assert told["messages"][1] == {"role": "assistant", "content": "", "reasoning_content": "Hm."}


def test_a_last_message_may_go_on(http: httpx.Client, worker: ScriptedWorker) -> None:
    user, begun = {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}
    assert sent(http, worker, [user, begun], continue_final_message=True)["continue_final_message"] is True
    assert sent(http, worker, [user, {**begun, "prefix": True}])["continue_final_message"] is True
    assert sent(http, worker, [user, begun], add_generation_prompt=False)["add_generation_prompt"] is False
    for fields in ({}, {"add_generation_prompt": True}, {"continue_final_message": False}):
        assert sent(http, worker, [user, begun], **fields).keys() == {"messages"}
    assert sent(http, worker, [user, {**begun, "prefix": True}, user]).keys() == {"messages"}
    both = {"continue_final_message": True, "add_generation_prompt": True}
    error = check(http.post(CHAT, json={"model": "tiny", "messages": [user, begun], **both}))
    assert error["param"] == "continue_final_message"


def test_a_template_without_tools_is_a_warning(
    http: httpx.Client, worker: ScriptedWorker, model_root: Path
) -> None:
    def warning(template: str, **fields: Any) -> str:
        (model_root / "tiny" / "chat_template.jinja").write_text(template)
        # A list looks at the disk; without one the change of a known model is seen a second later.
        http.get("/v1/models").raise_for_status()
        answer = http.post(CHAT, json=chat(**fields)).raise_for_status()
        return str(answer.headers.get("warning", ""))

    plain = "{% for message in messages %}{{ message.content }}{% endfor %}"
    said = "the model's template has no place for tools: they are described in the system prompt"
    assert warning(plain, tools=[WEATHER]) == f'299 mlxq "{said}"'
    assert said in warning(plain, tools=[WEATHER], stream=True)
    assert worker.runs[-1].payload["tools"] == [WEATHER]
    assert warning(plain) == ""
    assert warning("{% if tools %}{{ tools }}{% endif %}" + plain, tools=[WEATHER]) == ""


def tool(**fields: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": "f", **fields}}


NAMED = {"type": "function", "function": {"name": "f"}}
UNIQUE = {"type": "object", "properties": {"a": {"type": "array", "uniqueItems": True}}}
TOOLS: list[tuple[dict[str, Any], str]] = [
    ({"tools": "f"}, "tools"),
    ({"tools": [{"type": "function"}]}, "tools[0].function"),
    ({"tools": [{"type": "custom", "custom": {"name": "f"}}]}, "tools[0].type"),
    ({"tools": [tool(), {"type": "function", "function": {"name": "a b"}}]}, "tools[1].function.name"),
    ({"tools": [{"type": "function", "function": {"name": "x" * 65}}]}, "tools[0].function.name"),
    ({"tools": [tool(parameters=[])]}, "tools[0].function.parameters"),
    ({"tools": [tool(parameters={"type": "string"})]}, "tools[0].function.parameters"),
    ({"tools": [tool(parameters=nested(100))]}, "tools[0].function.parameters"),
    ({"tools": [tool(description=5)]}, "tools[0].function.description"),
    ({"tools": [tool(strict="yes")]}, "tools[0].function.strict"),
    ({"tools": [tool(), tool(description="another")]}, "tools"),
    ({"tools": [{"type": "function", "function": {"name": f"f{n}"}} for n in range(129)]}, "tools"),
    ({"tool_choice": "required"}, "tool_choice"),
    ({"tool_choice": "required", "tools": []}, "tool_choice"),
    ({"tool_choice": NAMED}, "tool_choice"),
    ({"tool_choice": NAMED, "tools": [WEATHER]}, "tool_choice"),
    ({"tool_choice": "sometimes", "tools": [tool()]}, "tool_choice"),
    ({"tool_choice": {"type": "function"}, "tools": [tool()]}, "tool_choice"),
    ({"tool_choice": {"type": "allowed_tools", "allowed_tools": {}}, "tools": [tool()]}, "tool_choice"),
    ({"tool_choice": 5, "tools": [tool()]}, "tool_choice"),
    ({"parallel_tool_calls": "no"}, "parallel_tool_calls"),
    # A draft model guesses ahead of a grammar.
    ({"draft_model": "org/other", "response_format": {"type": "json_object"}}, "draft_model"),
    ({"draft_model": "org/other", "tools": [tool()], "tool_choice": "required"}, "draft_model"),
    ({"draft_model": "org/other", "tools": [tool(strict=True)]}, "draft_model"),
    ({"draft_model": "org/other", "logprobs": True}, "draft_model"),
]


@pytest.mark.parametrize(("fields", "param"), TOOLS, ids=[str(f)[:60] for f, _ in TOOLS])
def test_broken_tools(http: httpx.Client, fields: dict[str, Any], param: str) -> None:
    assert check(http.post(CHAT, json=chat(**fields)))["param"] == param


@pytest.mark.parametrize("choice", ["auto", "none", {"type": "function", "function": {"name": "get_time"}}])
def test_a_tool_that_need_not_be_called_may_have_any_schema(
    http: httpx.Client, worker: ScriptedWorker, choice: Any
) -> None:
    answer = http.post(CHAT, json=chat(tools=[tool(parameters=UNIQUE), TIME], tool_choice=choice))
    assert answer.status_code == 200, answer.text
