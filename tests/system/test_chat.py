"""Chat as the OpenAI SDK sees it, on a real model in a real worker."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import mlx_lm
import openai
import pytest
from openai.types.chat import ChatCompletion

from tests.support.impatient import SHAPES, Impatient, jobs_of
from tests.support.stories import outcome, refusal
from tests.support.system import System

PROMPTS = ["hello", "b", "what?", "héllo wörld", "1 2 3", "tell me more", "x" * 50, "再见"]


#: A long system prompt.
INSTRUCTIONS: Any = [{"type": "text", "text": "You are an agent. " * 60}]


def ask(client: openai.OpenAI, text: str, **options: Any) -> ChatCompletion:
    completion: ChatCompletion = client.chat.completions.create(
        model="first",
        messages=[{"role": "user", "content": text}],
        **{"temperature": 0, "max_tokens": 40, **options},
    )
    return completion


def text_of(completion: ChatCompletion) -> str:
    return completion.choices[0].message.content or ""


def stream_of(client: openai.OpenAI, text: str, **options: Any) -> tuple[str, list[str]]:
    """The text of a stream, and its finish reasons."""
    chunks = client.chat.completions.create(
        model="first",
        messages=[{"role": "user", "content": text}],
        stream=True,
        **{"temperature": 0, "max_tokens": 40, **options},
    )
    pieces, reasons = [], []
    for chunk in chunks:
        for choice in chunk.choices:
            pieces.append(choice.delta.content or "")
            if choice.finish_reason:
                reasons.append(choice.finish_reason)
    return "".join(pieces), reasons


@pytest.fixture(scope="module")
def reference(models: Path) -> dict[str, str]:
    """What mlx_lm.generate says to each prompt, greedily."""
    model, tokenizer = mlx_lm.load(str(models / "first"))[:2]
    texts = {}
    for prompt in PROMPTS:
        tokens = tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}], add_generation_prompt=True
        )
        texts[prompt] = mlx_lm.generate(model, tokenizer, tokens, max_tokens=40)
    return texts


def test_greedy_text_is_mlx_lms_alone(client: openai.OpenAI, reference: dict[str, str]) -> None:
    assert {prompt: text_of(ask(client, prompt)) for prompt in PROMPTS} == reference


def test_greedy_text_is_mlx_lms_streamed(client: openai.OpenAI, reference: dict[str, str]) -> None:
    for prompt in PROMPTS:
        assert stream_of(client, prompt)[0] == reference[prompt]


def test_greedy_text_is_mlx_lms_with_eight_in_the_batch(
    client: openai.OpenAI, reference: dict[str, str]
) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda prompt: text_of(ask(client, prompt)), PROMPTS))
        streams = list(pool.map(lambda prompt: stream_of(client, prompt)[0], PROMPTS))
    assert dict(zip(PROMPTS, answers, strict=True)) == reference
    assert dict(zip(PROMPTS, streams, strict=True)) == reference


def test_a_seed_gives_the_same_text_at_temperature_1_alone_and_among_others(client: openai.OpenAI) -> None:
    alone = text_of(ask(client, "dice", temperature=1, seed=7))
    assert text_of(ask(client, "dice", temperature=1, seed=8)) != alone
    with ThreadPoolExecutor(9) as pool:
        others = [pool.submit(ask, client, f"noise {n}", temperature=1, seed=n) for n in range(8)]
        among = text_of(pool.submit(ask, client, "dice", temperature=1, seed=7).result())
        assert all(other.result() for other in others)
    assert among == alone


def test_without_a_seed_two_answers_differ(client: openai.OpenAI) -> None:
    assert text_of(ask(client, "dice", temperature=1)) != text_of(ask(client, "dice", temperature=1))


def test_the_completion_is_openais(client: openai.OpenAI) -> None:
    completion = ask(client, "hello", max_tokens=5)
    assert completion.id.startswith("chatcmpl-")
    assert (completion.object, completion.model) == ("chat.completion", "first")
    assert completion.choices[0].finish_reason == "length"
    assert completion.choices[0].message.role == "assistant"
    usage = completion.usage
    assert usage is not None
    assert usage.completion_tokens == 5
    assert usage.total_tokens == usage.prompt_tokens + 5
    assert completion._request_id == completion.id


def test_max_completion_tokens_wins_over_max_tokens(client: openai.OpenAI) -> None:
    usage = ask(client, "hello", max_tokens=9, max_completion_tokens=3).usage
    assert usage is not None
    assert usage.completion_tokens == 3


def test_a_stream_ends_once_and_tells_its_usage_last(client: openai.OpenAI) -> None:
    chunks = list(
        client.chat.completions.create(
            model="first",
            messages=[{"role": "user", "content": "hello"}],
            stream=True,
            stream_options={"include_usage": True},
            max_tokens=5,
            temperature=0,
        )
    )
    assert chunks[0].choices[0].delta.role == "assistant"
    reasons = [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason]
    assert reasons == ["length"]
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 5
    assert {chunk.id for chunk in chunks} == {chunks[0].id}


def test_a_stop_string_never_shows_also_across_tokens(
    client: openai.OpenAI, reference: dict[str, str]
) -> None:
    """Every token of this model is one byte, so that each of these falls across tokens."""
    text = reference["hello"]
    for start in range(2, len(text) - 6, 3):
        stop = text[start : start + 4]
        expected = text[: text.index(stop)]
        completion = ask(client, "hello", stop=[stop, "never said"])
        assert text_of(completion) == expected
        assert completion.choices[0].finish_reason == "stop"
        assert stream_of(client, "hello", stop=stop) == (expected, ["stop"])


def test_no_delta_ever_holds_half_a_character(system: System) -> None:
    body = {
        "model": "first",
        "messages": [{"role": "user", "content": "再见"}],
        "stream": True,
        "temperature": 1,
        "seed": 3,
        "max_tokens": 200,
        "ignore_eos": True,
    }
    whole = system.http.post("/v1/chat/completions", json={**body, "stream": False}).json()
    with system.http.stream("POST", "/v1/chat/completions", json=body) as response:
        lines = [line[6:] for line in response.iter_lines() if line.startswith("data: {")]
    pieces = [
        choice["delta"].get("content") or "" for line in lines for choice in json.loads(line)["choices"]
    ]
    assert "".join(pieces) == whole["choices"][0]["message"]["content"]
    assert len(pieces) > 2


def test_ignore_eos_runs_to_the_length(system: System) -> None:
    body = {"model": "first", "messages": [{"role": "user", "content": "b"}], "ignore_eos": True}
    answer = system.http.post("/v1/chat/completions", json={**body, "max_tokens": 300, "seed": 1}).json()
    assert answer["usage"]["completion_tokens"] == 300
    assert answer["choices"][0]["finish_reason"] == "length"


def test_penalties_biases_and_filters_change_the_text(
    client: openai.OpenAI, reference: dict[str, str]
) -> None:
    plain = reference["hello"]
    favourite = 40
    biased = text_of(ask(client, "hello", logit_bias={str(favourite): 100}, max_tokens=6))
    assert len(set(biased)) == 1
    assert text_of(ask(client, "hello", presence_penalty=2.0)) != plain
    assert text_of(ask(client, "hello", frequency_penalty=2.0)) != plain
    assert text_of(ask(client, "hello", extra_body={"repetition_penalty": 1.9})) != plain
    only_the_best = {"top_k": 1}
    assert text_of(ask(client, "hello", temperature=1, extra_body=only_the_best)) == plain
    assert text_of(ask(client, "hello", temperature=1, top_p=0.0001)) == plain
    assert text_of(ask(client, "hello", temperature=1, extra_body={"min_p": 1.0})) == plain


def test_a_known_beginning_is_not_read_again(client: openai.OpenAI) -> None:
    history: list[Any] = [{"role": "user", "content": "a long story " * 100}]
    first: Any = client.chat.completions.create(
        model="first",
        messages=history,
        max_tokens=20,
        temperature=0,
    )
    again: Any = client.chat.completions.create(
        model="first",
        messages=history,
        max_tokens=20,
        temperature=0,
    )
    assert first.usage.prompt_tokens_details.cached_tokens < 0.1 * first.usage.prompt_tokens
    assert again.usage.prompt_tokens_details.cached_tokens >= 0.9 * again.usage.prompt_tokens
    assert text_of(again) == text_of(first)


def test_a_line_for_billing_that_changes_with_each_request_costs_nothing(client: openai.OpenAI) -> None:
    def ask(line: str) -> Any:
        return client.chat.completions.create(
            model="first",
            messages=[
                {"role": "system", "content": [{"type": "text", "text": line}, *INSTRUCTIONS]},
                {"role": "user", "content": "Hello."},
            ],
            max_tokens=4,
            temperature=0,
        )

    first, again = (
        ask(f"x-anthropic-billing-header: cc_version=2.1.332.7b4; cch={n};") for n in ("eb6c6", "0aaa9")
    )
    assert again.usage.prompt_tokens == first.usage.prompt_tokens
    assert again.usage.prompt_tokens_details.cached_tokens >= 0.9 * again.usage.prompt_tokens
    assert text_of(again) == text_of(first)
    # Whatever else stands there is the caller's own text.
    other = ask("x-anthropic-billing-header: who pays?")
    assert other.usage.prompt_tokens > first.usage.prompt_tokens


def test_two_interleaved_chats_never_mix(client: openai.OpenAI) -> None:
    """Each turn of two growing conversations says what it says when nothing is cached."""

    def grow(topic: str) -> list[str]:
        said: list[str] = []
        messages: list[Any] = [{"role": "system", "content": "the same for both " * 10}]
        for turn in range(3):
            messages.append({"role": "user", "content": f"{topic} {turn}"})
            answer = client.chat.completions.create(
                model="first", messages=messages, max_tokens=12, temperature=0
            )
            said.append(text_of(answer))
            messages.append({"role": "assistant", "content": said[-1] or "-"})
        return said

    alone = {topic: grow(topic) for topic in ("cats", "dogs")}
    with ThreadPoolExecutor(4) as pool:
        together = dict(zip(["cats", "dogs"], pool.map(grow, ["cats", "dogs"]), strict=True))
    assert together == alone


def test_a_prompt_that_does_not_fit_is_refused_before_it_is_read(system: System) -> None:
    for stream in (False, True):
        body = {"model": "short", "messages": [{"role": "user", "content": "x" * 100}], "stream": stream}
        refused = system.http.post("/v1/chat/completions", json=body)
        assert refusal(refused)["code"] == "context_length_exceeded"


def test_an_answer_never_outgrows_the_context(system: System) -> None:
    body = {"model": "short", "messages": [{"role": "user", "content": "hi"}], "ignore_eos": True}
    answer = system.http.post("/v1/chat/completions", json=body).json()
    assert answer["usage"]["total_tokens"] == 64
    assert answer["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_stops_the_engine(system: System, stream: bool) -> None:
    """The job of a closed connection ends as cancelled, before its 50,000 tokens."""
    body = {
        "model": "first",
        "messages": [{"role": "user", "content": f"endless {stream}"}],
        "stream": stream,
        "ignore_eos": True,
        "max_tokens": 50_000,
    }
    before = {job["id"] for job in jobs_of(system, set())}
    client = Impatient(system, SHAPES["sdk"], body)
    system.wait_until(
        lambda: [job["status"] for job in jobs_of(system, before)] == ["in_progress"], "it does not start"
    )
    client.leave()
    (job,) = jobs_of(system, before)
    assert outcome(system, job["id"])["status"] == "cancelled"


def test_a_model_is_switched_on_demand_and_answers_as_itself(make_system: Callable[..., System]) -> None:
    system = make_system()
    client = system.openai()
    first = text_of(ask(client, "hello"))
    second = client.chat.completions.create(
        model="org/second", messages=[{"role": "user", "content": "hello"}], temperature=0, max_tokens=40
    )
    assert text_of(second) != first
    assert system.http.get("/v1/models/status").json()["models"]["llm"] == "org/second"
    assert text_of(ask(client, "hello")) == first


def test_requests_for_two_models_at_once_are_all_answered(make_system: Callable[..., System]) -> None:
    """A model is never unloaded while it generates; whoever needs the other one waits."""
    client = make_system().openai()

    def one(number: int) -> tuple[str, str]:
        model = ("first", "second")[number % 2]
        answer = client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": "hello"}], temperature=0, max_tokens=60
        )
        return model, text_of(answer)

    with ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(one, range(16)))
    assert len(answers) == 2
