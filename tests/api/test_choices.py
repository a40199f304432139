"""Several choices, log-probabilities and reasoning: whole and streamed, each told once."""

from typing import Any

import httpx
import openai
import pytest

from tests.api.requests import chat, chunks
from tests.api.test_stream import stream
from tests.support.openai_shape import check_chunks, check_shape
from tests.support.scripted_worker import Run, ScriptedWorker

CHAT = "/v1/chat/completions"


def entry(token: str, logprob: float = -0.5) -> dict[str, Any]:
    """What the worker says of a token."""
    data = list(token.encode())
    other = {"token": "x", "bytes": [120], "logprob": -2.0}
    top = [{"token": token, "bytes": data, "logprob": logprob}, other]
    return {"token": token, "bytes": data, "logprob": logprob, "top": top}


def openai_entry(token: str, logprob: float = -0.5) -> dict[str, Any]:
    told = entry(token, logprob)
    return {key: told[key] for key in ("token", "logprob", "bytes")} | {"top_logprobs": told["top"]}


def joined(told: list[dict[str, Any]], index: int, field: str = "content") -> str:
    choices = [choice for chunk in told for choice in chunk["choices"] if choice["index"] == index]
    return "".join(choice["delta"].get(field) or "" for choice in choices)


def test_the_engine_hears_of_choices_and_reasoning(http: httpx.Client, worker: ScriptedWorker) -> None:
    kwargs = {"custom": True}
    said = chat(
        n=4,
        logprobs=True,
        top_logprobs=20,
        reasoning_effort="high",
        enable_thinking=True,
        chat_template_kwargs=kwargs,
    )
    answer = http.post(CHAT, json=said)
    assert "warning" not in answer.headers
    payload = worker.runs[0].payload
    assert {key: payload[key] for key in payload if key != "messages"} == {
        "n": 4,
        "logprobs": 20,
        "reasoning_effort": "high",
        "enable_thinking": True,
        "chat_template_kwargs": kwargs,
    }
    http.post(CHAT, json=chat(n=1, logprobs=True)).raise_for_status()
    assert worker.runs[1].payload["logprobs"] == 0
    assert "n" not in worker.runs[1].payload
    http.post(CHAT, json=chat(logprobs=False)).raise_for_status()
    assert "logprobs" not in worker.runs[2].payload


def test_every_part_of_an_answer_has_openais_shape(http: httpx.Client, worker: ScriptedWorker) -> None:
    worker.play(
        lambda run: run.answer(
            {"text": "Hi", "reasoning": "Greet.", "logprobs": [entry("Hi")]},
            {"text": "", "finish_reason": "length", "logprobs": []},
            reasoning_tokens=4,
            accepted_prediction_tokens=2,
        )
    )
    answer = http.post(CHAT, json=chat(n=2, logprobs=True, top_logprobs=2)).json()
    check_shape("CreateChatCompletionResponse", answer)
    first, second = answer["choices"]
    assert first["message"] == {
        "role": "assistant",
        "content": "Hi",
        "refusal": None,
        "reasoning_content": "Greet.",
    }
    assert first["logprobs"] == {"content": [openai_entry("Hi")], "refusal": None}
    assert (second["index"], second["message"]["content"], second["finish_reason"]) == (1, "", "length")
    assert second["logprobs"] == {"content": [], "refusal": None}
    assert answer["usage"]["completion_tokens_details"] == {
        "reasoning_tokens": 4,
        "accepted_prediction_tokens": 2,
        "rejected_prediction_tokens": 0,
    }


def test_choices_are_streamed_side_by_side(http: httpx.Client, worker: ScriptedWorker) -> None:
    def play(run: Run) -> None:
        for text in ("a", "b", "c"):
            for index in range(3):
                run.tell(f"{text}{index}", index)
        run.answer(*({"text": f"a{i}b{i}c{i}", "finish_reason": "length"} for i in range(3)))

    worker.play(play)
    told = chunks(stream(http, n=3, stream_options={"include_usage": True}))
    check_chunks("CreateChatCompletionStreamResponse", told)
    assert [joined(told, index) for index in range(3)] == ["a0b0c0", "a1b1c1", "a2b2c2"]
    for index in range(3):
        mine = [choice for chunk in told for choice in chunk["choices"] if choice["index"] == index]
        assert mine[0]["delta"]["role"] == "assistant"
        assert [choice["finish_reason"] for choice in mine] == [None] * (len(mine) - 1) + ["length"]
    assert told[-1]["choices"] == []
    assert told[-1]["usage"]["total_tokens"] == 10


def test_the_sdk_streams_several_choices(sdk: openai.OpenAI, worker: ScriptedWorker) -> None:
    def play(run: Run) -> None:
        run.tell("one", 0)
        run.tell("two", 1)
        run.answer({"text": "one"}, {"text": "two"})

    worker.play(play)
    with sdk.chat.completions.stream(**chat(n=2)) as streamed:
        answer = streamed.get_final_completion()
    assert [choice.message.content for choice in answer.choices] == ["one", "two"]


def test_reasoning_comes_before_what_is_said(http: httpx.Client, worker: ScriptedWorker) -> None:
    def play(run: Run) -> None:
        run.tell("Think", field="reasoning")
        run.tell(" hard.", field="reasoning")
        run.say("Yes")
        run.answer({"text": "Yes!", "reasoning": "Think hard."})

    worker.play(play)
    told = chunks(stream(http))
    check_chunks("CreateChatCompletionStreamResponse", told)
    assert joined(told, 0, "reasoning_content") == "Think hard."
    assert joined(told, 0) == "Yes!"
    deltas = [chunk["choices"][0]["delta"] for chunk in told]
    assert [sorted(delta) for delta in deltas[1:4]] == [["reasoning_content"]] * 2 + [["content"]]


def test_reasoning_that_no_delta_brought_comes_with_the_end(
    http: httpx.Client, worker: ScriptedWorker
) -> None:
    worker.play(lambda run: run.answer({"text": "Yes", "reasoning": "Think."}))
    told = chunks(stream(http))
    assert joined(told, 0, "reasoning_content") == "Think."
    assert joined(told, 0) == "Yes"


def probabilities(told: list[dict[str, Any]]) -> list[str]:
    """The tokens whose probabilities were told, in order."""
    found = [choice["logprobs"] for chunk in told for choice in chunk["choices"] if choice["logprobs"]]
    return [token["token"] for logprobs in found for token in logprobs["content"]]


def test_probabilities_come_with_their_deltas(http: httpx.Client, worker: ScriptedWorker) -> None:
    def play(run: Run) -> None:
        run.tell("He", logprobs=[entry("He")])
        # A token whose text is held back, for it may be the beginning of a stop.
        run.tell("", logprobs=[entry("ll")])
        run.tell("llo", logprobs=[entry("o")])
        run.answer({"text": "Hello!", "logprobs": [entry("He"), entry("ll"), entry("o"), entry("!")]})

    worker.play(play)
    told = chunks(stream(http, logprobs=True, top_logprobs=2))
    check_chunks("CreateChatCompletionStreamResponse", told)
    assert joined(told, 0) == "Hello!"
    assert probabilities(told) == ["He", "ll", "o", "!"]


def test_a_rerun_tells_each_part_once(http: httpx.Client, worker: ScriptedWorker) -> None:
    def begin(run: Run) -> None:
        run.tell("Thi", field="reasoning")
        run.tell("one", 0, logprobs=[entry("one")])
        run.tell("two", 1, logprobs=[entry("t"), entry("wo")])

    def die(run: Run) -> None:
        begin(run)
        run.requeue()

    def again(run: Run) -> None:
        run.tell("Think.", field="reasoning")
        run.tell("tw", 1, logprobs=[entry("t")])
        run.tell("o three", 1, logprobs=[entry("wo"), entry(" three")])
        run.tell("one", 0, logprobs=[entry("one")])
        run.answer(
            {"text": "one", "reasoning": "Think.", "logprobs": [entry("one")]},
            {"text": "two three", "logprobs": [entry("t"), entry("wo"), entry(" three")]},
        )

    worker.play(die, again)
    told = chunks(stream(http, n=2, logprobs=True))
    assert joined(told, 0, "reasoning_content") == "Think."
    assert [joined(told, 0), joined(told, 1)] == ["one", "two three"]
    assert sorted(probabilities(told)) == [" three", "one", "t", "wo"]


@pytest.mark.parametrize("field", ["content", "reasoning"])
def test_a_rerun_in_which_a_part_differs_breaks_the_stream(
    sdk: openai.OpenAI, worker: ScriptedWorker, field: str
) -> None:
    def die(run: Run) -> None:
        run.tell("same", 0)
        run.tell("this", 1, field=field)
        run.requeue()

    def again(run: Run) -> None:
        run.tell("same", 0)
        run.answer({"text": "same"}, {"text": "", "reasoning": "that"})

    worker.play(die, again)
    with pytest.raises(openai.APIError, match="differs from what was streamed"):
        list(sdk.chat.completions.create(**chat(n=2), stream=True))
