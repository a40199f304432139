"""What chats and completions can be asked for, on real models: choices, log-probabilities, reasoning, tools."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import mlx.core as mx
import mlx_lm
import numpy as np
import openai
import pytest
from mlx_lm.tokenizer_utils import _byte_decoder

from tests.support.system import REPO, System

WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the current weather for a location",
        "parameters": {
            "type": "object",
            "properties": {"location": {"type": "string"}},
            "required": ["location"],
        },
    },
}


@pytest.fixture(scope="module")
def taught() -> Iterator[openai.OpenAI]:
    """The trained model that ships with mlxq, with nothing beside it."""
    running = System(REPO / "models", "tiny-chat")
    try:
        yield running.start().openai()
    finally:
        running.stop()


@pytest.fixture(scope="module")
def reference(models: Path) -> tuple[Any, Any]:
    return mlx_lm.load(str(models / "first"))[:2]


def logprobs_of(reference: tuple[Any, Any], tokens: list[int]) -> np.ndarray[Any, Any]:
    """[tokens, vocabulary]: what the model thinks of what follows each of them."""
    logits = reference[0](mx.array([tokens]))[0].astype(mx.float32)
    return np.asarray(logits - mx.logsumexp(logits, axis=-1, keepdims=True))


def test_log_probabilities_are_the_models(client: openai.OpenAI, reference: tuple[Any, Any]) -> None:
    messages: Any = [{"role": "user", "content": "hello"}]
    options: Any = {"temperature": 0, "max_tokens": 12, "logprobs": True, "top_logprobs": 3}
    choice = client.chat.completions.create(model="first", messages=messages, **options).choices[0]
    assert choice.logprobs is not None
    content = choice.logprobs.content
    assert content is not None

    prompt = reference[1].apply_chat_template(messages, add_generation_prompt=True)
    written = [token.bytes[0] for token in content if token.bytes]  # tokens of this model are single bytes
    assert len(written) == len(content) == 12
    by_byte = {bytes_of(reference[1], token): token for token in range(256)}
    tokens = [by_byte[byte] for byte in written]
    expected = logprobs_of(reference, [*prompt, *tokens])[len(prompt) - 1 : -1]
    for entry, token, row in zip(content, tokens, expected, strict=True):
        assert entry.logprob == pytest.approx(row[token], abs=1e-3)
        likeliest = [float(value) for value in np.sort(row)[::-1][:3]]
        assert [top.logprob for top in entry.top_logprobs] == pytest.approx(likeliest, abs=1e-3)
        assert entry.top_logprobs[0].bytes == entry.bytes

    chunks = client.chat.completions.create(model="first", messages=messages, stream=True, **options)
    streamed = [
        entry
        for chunk in chunks
        for part in chunk.choices
        if part.logprobs and part.logprobs.content
        for entry in part.logprobs.content
    ]
    assert streamed == content


def bytes_of(tokenizer: Any, token: int) -> int:
    return int(_byte_decoder()[tokenizer.convert_ids_to_tokens(token)])


def test_a_neighbour_with_log_probabilities_changes_nothing(client: openai.OpenAI) -> None:
    def text(number: int) -> str | None:
        extra: Any = {"logprobs": True, "top_logprobs": 5} if number % 2 else {}
        completion = client.chat.completions.create(
            model="first",
            messages=[{"role": "user", "content": f"number {number}"}],
            temperature=number % 3,
            seed=number,
            max_tokens=30,
            **extra,
        )
        content: str | None = completion.choices[0].message.content
        return content

    alone = [text(number) for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(text, range(8))) == alone


def test_a_completion_goes_on_from_its_prompt_as_mlx_lm_does(
    client: openai.OpenAI, reference: tuple[Any, Any]
) -> None:
    model, tokenizer = reference
    prompts = ["Once upon a time", "1 2 3", "x"]
    expected = [mlx_lm.generate(model, tokenizer, prompt, max_tokens=20) for prompt in prompts]
    options: Any = {"model": "first", "temperature": 0, "max_tokens": 20}
    together = client.completions.create(prompt=prompts, **options)
    assert [choice.text for choice in together.choices] == expected
    assert [choice.index for choice in together.choices] == [0, 1, 2]
    tokens = client.completions.create(prompt=[tokenizer.encode(prompt) for prompt in prompts], **options)
    assert [choice.text for choice in tokens.choices] == expected

    texts = ["", "", ""]
    for chunk in client.completions.create(prompt=prompts, stream=True, **options):
        for choice in chunk.choices:
            texts[choice.index] += choice.text
    assert texts == expected


def test_an_echo_scores_the_prompt(client: openai.OpenAI, reference: tuple[Any, Any]) -> None:
    prompt = "Once upon"
    scored = client.completions.create(
        model="first", prompt=prompt, echo=True, logprobs=1, max_tokens=0, temperature=0
    )
    assert scored.choices[0].text == prompt
    legacy = scored.choices[0].logprobs
    assert legacy is not None
    assert legacy.token_logprobs is not None
    tokens = reference[1].encode(prompt)
    rows = logprobs_of(reference, tokens)
    expected = [float(rows[place, token]) for place, token in enumerate(tokens[1:])]
    assert legacy.token_logprobs[0] is None
    assert legacy.token_logprobs[1:] == pytest.approx(expected, abs=1e-3)
    assert "".join(legacy.tokens or []) == prompt
    assert legacy.text_offset == list(range(len(prompt)))
    assert scored.usage is not None
    assert scored.usage.completion_tokens == 0

    further = client.completions.create(
        model="first", prompt=prompt, echo=True, logprobs=1, max_tokens=4, temperature=0
    )
    assert further.choices[0].text.startswith(prompt)
    assert further.choices[0].logprobs is not None
    assert len(further.choices[0].logprobs.tokens or []) == len(tokens) + 4


def test_four_choices_of_one_request_streamed_and_not(client: openai.OpenAI) -> None:
    options: Any = {
        "model": "first",
        "messages": [{"role": "user", "content": "dice"}],
        "n": 4,
        "temperature": 2,
        "seed": 3,
        "max_tokens": 30,
    }
    completion = client.chat.completions.create(**options)
    texts = [choice.message.content for choice in completion.choices]
    assert [choice.index for choice in completion.choices] == [0, 1, 2, 3]
    assert len(set(texts)) == 4
    assert completion.usage is not None
    alone = client.chat.completions.create(**{**options, "n": 1})
    assert alone.choices[0].message.content == texts[0]
    assert alone.usage is not None
    assert completion.usage.prompt_tokens == alone.usage.prompt_tokens

    streamed, reasons = ["", "", "", ""], []
    for chunk in client.chat.completions.create(stream=True, **options):
        for choice in chunk.choices:
            streamed[choice.index] += choice.delta.content or ""
            reasons += [choice.index] if choice.finish_reason else []
    assert streamed == texts
    assert sorted(reasons) == [0, 1, 2, 3]


def test_what_is_thought_is_told_apart(taught: openai.OpenAI) -> None:
    options: Any = {
        "model": "tiny-chat",
        "messages": [{"role": "user", "content": "What is 2 plus 3?"}],
        "temperature": 0,
    }
    for switch in (
        {"reasoning_effort": "low"},
        {"extra_body": {"enable_thinking": True}},
        {"extra_body": {"chat_template_kwargs": {"enable_thinking": True}}},
    ):
        completion = taught.chat.completions.create(**options, **switch)
        message: Any = completion.choices[0].message
        assert "5" in message.content
        assert message.reasoning_content
        assert "think>" not in message.content + message.reasoning_content
        details = completion.usage.completion_tokens_details
        assert 0 < details.reasoning_tokens < completion.usage.completion_tokens

        content, reasoning = "", ""
        for chunk in taught.chat.completions.create(stream=True, **options, **switch):
            for choice in chunk.choices:
                delta: Any = choice.delta
                content += delta.content or ""
                reasoning += getattr(delta, "reasoning_content", None) or ""
        assert (content, reasoning) == (message.content, message.reasoning_content)
    plain: Any = taught.chat.completions.create(**options).choices[0].message
    assert not getattr(plain, "reasoning_content", None)


def test_a_tool_is_called_and_its_result_is_told(taught: openai.OpenAI) -> None:
    messages: list[Any] = [{"role": "user", "content": "What's the weather in Tokyo?"}]
    options: Any = {"model": "tiny-chat", "tools": [WEATHER], "temperature": 0}
    asked = taught.chat.completions.create(messages=messages, **options).choices[0]
    assert asked.finish_reason == "tool_calls"
    assert asked.message.content is None
    assert asked.message.tool_calls is not None
    call: Any = asked.message.tool_calls[0]
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments) == {"location": "Tokyo"}

    result = json.dumps({"location": "Tokyo", "temperature": "21 degrees", "conditions": "sunny"})
    messages += [asked.message, {"role": "tool", "tool_call_id": call.id, "content": result}]
    told = taught.chat.completions.create(messages=messages, **options).choices[0]
    assert told.finish_reason == "stop"
    assert told.message.content


def test_with_tools_text_still_comes_piece_by_piece(taught: openai.OpenAI) -> None:
    """Some of it comes while the answer goes on."""
    chunks = taught.chat.completions.create(
        model="tiny-chat",
        messages=[{"role": "user", "content": "Repeat after me: the quick brown fox"}],
        tools=[WEATHER],
        temperature=0,
        max_tokens=8000,
        stream=True,
        extra_body={"ignore_eos": True},
    )
    with chunks:
        first = next(chunk for chunk in chunks if chunk.choices[0].delta.content)
        job = f"{taught.base_url}jobs/{first.id}"
        assert httpx.get(job).json()["status"] == "in_progress"
        httpx.post(f"{job}/cancel").raise_for_status()


def test_a_draft_model_says_how_much_it_guessed(taught: openai.OpenAI) -> None:
    options: Any = {
        "model": "tiny-chat",
        "messages": [{"role": "user", "content": "What is the capital of Peru?"}],
        "temperature": 0,
    }
    plain = taught.chat.completions.create(**options)
    drafted = taught.chat.completions.create(**options, extra_body={"draft_model": "tiny-chat"})
    assert drafted.choices[0].message.content == plain.choices[0].message.content
    details: Any = drafted.usage.completion_tokens_details if drafted.usage else None
    assert details.accepted_prediction_tokens > 0


def test_only_what_a_call_is_held_to_has_to_be_enforceable(taught: openai.OpenAI) -> None:
    """A strict function, and a form for the answer, stand beside a function that nobody could hold to its schema."""
    strict = {**WEATHER, "function": {**WEATHER["function"], "strict": True}}
    numbers = {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}
    loose: Any = {
        "type": "function",
        "function": {"name": "add", "parameters": {"type": "object", "properties": {"numbers": numbers}}},
    }
    messages: Any = [{"role": "user", "content": "What is the weather in Paris?"}]
    wanted: Any = {"type": "json_object", "schema": {"enum": ["sunny"]}}
    for fields in ({"tools": [strict, loose]}, {"tools": [loose, WEATHER], "response_format": wanted}):
        answer: Any = taught.chat.completions.create(
            model="default", messages=messages, temperature=0, **fields
        )
        (call,) = answer.choices[0].message.tool_calls
        assert json.loads(call.function.arguments) == {"location": "Paris"}
