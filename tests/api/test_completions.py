"""Plain text completions: prompts in every form, probabilities in their old form, streams, and bad input."""

from typing import Any

import httpx
import openai
import pytest

from jobs.kinds import Kind
from tests.api.requests import chunks, completion
from tests.api.test_bad_input import check
from tests.api.test_choices import entry
from tests.support.openai_shape import check_chunks, check_shape
from tests.support.scripted_worker import Run, ScriptedWorker

PATH = "/v1/completions"


@pytest.mark.parametrize(
    ("prompt", "prompts"),
    [
        ("Hello", ["Hello"]),
        ("", [""]),
        (["a", "b"], ["a", "b"]),
        ([1, 2, 3], [[1, 2, 3]]),
        ([[1, 2], [3]], [[1, 2], [3]]),
    ],
)
def test_prompts_have_four_forms(
    http: httpx.Client, worker: ScriptedWorker, prompt: Any, prompts: list[Any]
) -> None:
    answer = http.post(PATH, json=completion(prompt))
    assert answer.status_code == 200, answer.text
    (run,) = worker.runs
    assert run.claim.kind is Kind.COMPLETION
    assert run.payload == {"prompts": prompts, "max_tokens": 16}


def test_every_parameter_reaches_the_engine(http: httpx.Client, worker: ScriptedWorker) -> None:
    said: dict[str, Any] = {
        "max_tokens": 0,
        "echo": True,
        "logprobs": 5,
        "n": 2,
        "best_of": 3,
        "temperature": 0.5,
        "top_p": 0.5,
        "top_k": 40,
        "seed": 5,
        "presence_penalty": 1,
        "frequency_penalty": -1,
        "logit_bias": {"5": 100},
        "ignore_eos": True,
    }
    answer = http.post(PATH, json=completion(**said, stop="END", user="me", suffix=None))
    assert answer.status_code == 200, answer.text
    assert "warning" not in answer.headers
    assert worker.runs[0].payload == {"prompts": ["Hello"], **said, "stop": ["END"]}


def test_the_sdk_gets_its_completion(sdk: openai.OpenAI, worker: ScriptedWorker) -> None:
    worker.play(lambda run: run.answer({"text": " there", "finish_reason": "length"}, {"text": "!"}))
    answer = sdk.completions.create(model="tiny", prompt="Hello", n=2)
    check_shape("CreateCompletionResponse", answer.model_dump(mode="json", exclude_unset=True))
    assert answer.id.startswith("cmpl-")
    assert [(c.index, c.text, c.finish_reason) for c in answer.choices] == [
        (0, " there", "length"),
        (1, "!", "stop"),
    ]
    assert answer.usage is not None
    assert answer.usage.total_tokens == 10


def echoed() -> list[dict[str, Any]]:
    """The probabilities of an echoed prompt: its first token follows nothing."""
    # The third character is spread over two tokens.
    halves = [
        {"token": "\ufffd", "bytes": [0xC3], "logprob": -1.0, "top": []},
        {"token": "\ufffd", "bytes": [0xA9], "logprob": -1.0, "top": []},
    ]
    first = entry("caf")
    first["logprob"], first["top"] = None, []
    return [first, *halves, entry("s", -3.0)]


LEGACY: dict[str, Any] = {
    "tokens": ["caf", "\ufffd", "\ufffd", "s"],
    "token_logprobs": [None, -1.0, -1.0, -3.0],
    "top_logprobs": [None, {"\ufffd": -1.0}, {"\ufffd": -1.0}, {"s": -3.0, "x": -2.0}],
    "text_offset": [0, 3, 3, 4],
}


def test_probabilities_have_their_old_form(http: httpx.Client, worker: ScriptedWorker) -> None:
    worker.play(lambda run: run.answer({"text": "cafés", "logprobs": echoed()}))
    answer = http.post(PATH, json=completion("caf", echo=True, logprobs=2)).json()
    check_shape("CreateCompletionResponse", answer)
    assert answer["choices"][0]["logprobs"] == LEGACY
    worker.play(lambda run: run.answer({"text": "a"}))
    assert http.post(PATH, json=completion()).json()["choices"][0]["logprobs"] is None


def test_the_token_that_was_taken_is_always_among_them(http: httpx.Client, worker: ScriptedWorker) -> None:
    unlikely = {**entry("s", -9.0), "top": [{"token": "x", "bytes": [120], "logprob": -0.1}]}
    worker.play(lambda run: run.answer({"text": "s", "logprobs": [unlikely]}))
    answer = http.post(PATH, json=completion(logprobs=1)).json()
    assert answer["choices"][0]["logprobs"]["top_logprobs"] == [{"x": -0.1, "s": -9.0}]


def stream(http: httpx.Client, **fields: Any) -> list[dict[str, Any]]:
    with http.stream("POST", PATH, json=completion(stream=True, **fields)) as answer:
        assert answer.status_code == 200
        return chunks([line for line in answer.iter_lines() if line])


def test_completions_are_streamed(http: httpx.Client, worker: ScriptedWorker) -> None:
    def play(run: Run) -> None:
        run.tell("caf", logprobs=echoed()[:1])
        run.tell("é", logprobs=echoed()[1:3])
        run.tell("b", 1, logprobs=[entry("b")])
        both = [{"text": "cafés", "logprobs": echoed()}, {"text": "b", "logprobs": [entry("b")]}]
        run.answer(*both)

    worker.play(play)
    told = stream(http, n=2, logprobs=2, echo=True, stream_options={"include_usage": True})
    check_chunks("CreateCompletionResponse", told)
    choices = [choice for chunk in told for choice in chunk["choices"]]
    first = [choice for choice in choices if choice["index"] == 0]
    assert [choice["text"] for choice in first] == ["caf", "é", "s", ""]
    assert [choice["finish_reason"] for choice in first] == [None, None, None, "stop"]
    parts = [choice["logprobs"] for choice in first if choice["logprobs"]]
    assert {key: [value for part in parts for value in part[key]] for key in LEGACY} == LEGACY
    assert "".join(choice["text"] for choice in choices if choice["index"] == 1) == "b"
    assert told[-1]["choices"] == []
    assert told[-1]["usage"]["total_tokens"] == 10
    assert all(chunk["usage"] is None for chunk in told[:-1])


def test_the_sdk_streams_several_prompts(sdk: openai.OpenAI, worker: ScriptedWorker) -> None:
    def play(run: Run) -> None:
        for index in range(4):
            run.tell(str(index), index)
        run.answer(*({"text": str(index)} for index in range(4)))

    worker.play(play)
    told = sdk.completions.create(model="tiny", prompt=["a", "b"], n=2, stream=True)
    texts = ["", "", "", ""]
    for chunk in told:
        texts[chunk.choices[0].index] += chunk.choices[0].text
    assert texts == ["0", "1", "2", "3"]


def test_a_rerun_is_not_told_twice(http: httpx.Client, worker: ScriptedWorker) -> None:
    def die(run: Run) -> None:
        run.say("Hello", " wor")
        run.requeue()

    def again(run: Run) -> None:
        run.say("Hello world", "!")
        run.complete("Hello world!")

    worker.play(die, again)
    assert "".join(chunk["choices"][0]["text"] for chunk in stream(http)) == "Hello world!"


@pytest.mark.parametrize("path", [PATH, "/completions", "/completions/"])
def test_paths_work_with_and_without_v1(http: httpx.Client, worker: ScriptedWorker, path: str) -> None:
    assert http.post(path, json=completion("a")).json()["choices"][0]["text"] == "a"


def test_a_completion_in_the_background(http: httpx.Client, worker: ScriptedWorker) -> None:
    accepted = http.post(PATH, json=completion("a", background=True))
    assert accepted.status_code == 202
    job = http.get(f"/v1/jobs/{accepted.json()['id']}?wait=20").json()
    assert (job["status"], job["kind"]) == ("completed", "completion")
    check_shape("CreateCompletionResponse", job["result"])
    assert job["result"]["choices"][0]["text"] == "a"


BAD: list[tuple[dict[str, Any], str]] = [
    ({"model": None}, "model"),
    ({"prompt": None}, "prompt"),
    ({"prompt": []}, "prompt"),
    ({"prompt": 5}, "prompt"),
    ({"prompt": {"text": "a"}}, "prompt"),
    ({"prompt": [True, False]}, "prompt"),
    ({"prompt": ["a", 5]}, "prompt"),
    ({"prompt": ["a", [5]]}, "prompt"),
    ({"prompt": [1, "a"]}, "prompt"),
    ({"prompt": [1.5]}, "prompt"),
    ({"prompt": [-1]}, "prompt"),
    ({"prompt": [2**40]}, "prompt"),
    ({"prompt": [[]]}, "prompt"),
    ({"prompt": [[1], []]}, "prompt"),
    ({"prompt": [[[1]]]}, "prompt"),
    ({"prompt": ["a"] * 129}, "prompt"),
    ({"prompt": ["a"] * 65, "n": 2}, "n"),
    ({"prompt": ["a"] * 65, "best_of": 2}, "best_of"),
    ({"n": 0}, "n"),
    ({"n": 129}, "n"),
    ({"n": 3, "best_of": 2}, "best_of"),
    ({"best_of": -1}, "best_of"),
    ({"best_of": 21}, "best_of"),
    ({"best_of": 2, "stream": True}, "best_of"),
    ({"suffix": "the end"}, "suffix"),
    ({"logprobs": 6}, "logprobs"),
    ({"logprobs": -1}, "logprobs"),
    ({"logprobs": True}, "logprobs"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"max_tokens": -2, "echo": True}, "max_tokens"),
    ({"echo": "yes"}, "echo"),
    ({"temperature": 2.1}, "temperature"),
    ({"stop": ["a"] * 17}, "stop"),
    ({"logit_bias": {"a": 1}}, "logit_bias.a"),
    ({"stream_options": []}, "stream_options"),
]


@pytest.mark.parametrize(("fields", "param"), BAD, ids=[str(f)[:40] for f, _ in BAD])
def test_bad_input(http: httpx.Client, worker: ScriptedWorker, fields: dict[str, Any], param: str) -> None:
    body = {**completion(), **fields}
    assert check(http.post(PATH, json=body))["param"] == param
    assert worker.runs == []


def test_a_prompt_and_a_model_are_needed(http: httpx.Client) -> None:
    assert check(http.post(PATH, json={"model": "tiny"}))["code"] == "missing_required_parameter"
    assert check(http.post(PATH, json=completion() | {"model": "nix"}), 404)["code"] == "model_not_found"
