"""Completions, embeddings, choices, log-probabilities and reasoning, as the OpenAI SDK for Python sees them."""

import base64
import math
import struct
from typing import Any

import openai
import pytest

from tests.support.minilm import NAME as MINILM
from tests.support.system import System

FRANCE: Any = [{"role": "user", "content": "What is the capital of France?"}]


@pytest.fixture
def sdk(tiny: System) -> openai.OpenAI:
    return tiny.openai()


def test_a_completion_of_each_kind_of_prompt(sdk: openai.OpenAI) -> None:
    for prompt, choices in (("hello", 1), (["hello", "goodbye"], 2), ([72, 105], 1), ([[72, 105], [72]], 2)):
        answer = sdk.completions.create(model="first", prompt=prompt, max_tokens=5, temperature=0)
        assert answer.object == "text_completion"
        assert answer.id.startswith("cmpl-")
        assert [choice.index for choice in answer.choices] == list(range(choices))
        assert answer.usage is not None
        assert answer.usage.completion_tokens <= 5 * choices


def test_a_streamed_completion_says_what_the_whole_one_says(sdk: openai.OpenAI) -> None:
    ask: Any = {"model": "first", "prompt": "hello", "max_tokens": 12, "temperature": 0}
    whole = sdk.completions.create(**ask)
    chunks = list(sdk.completions.create(**ask, stream=True, stream_options={"include_usage": True}))
    assert "".join(choice.text for chunk in chunks for choice in chunk.choices) == whole.choices[0].text
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert whole.usage is not None
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens


def test_an_echo_with_log_probabilities(sdk: openai.OpenAI) -> None:
    answer = sdk.completions.create(
        model="first", prompt="hello", max_tokens=0, echo=True, logprobs=1, temperature=0
    )
    assert answer.choices[0].text == "hello"
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    assert "".join(logprobs.tokens or []) == "hello"
    assert logprobs.token_logprobs is not None
    first, *others = logprobs.token_logprobs
    assert first is None
    assert all(value < 0 for value in others)


def test_several_choices(sdk: openai.OpenAI) -> None:
    answer = sdk.chat.completions.create(model="first", messages=FRANCE, n=3, max_tokens=8, seed=1)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert len({choice.message.content for choice in answer.choices}) == 3
    streamed = ["", "", ""]
    for chunk in sdk.chat.completions.create(
        model="first", messages=FRANCE, n=3, max_tokens=8, seed=1, stream=True
    ):
        for choice in chunk.choices:
            streamed[choice.index] += choice.delta.content or ""
    assert streamed == [choice.message.content for choice in answer.choices]


def test_log_probabilities_of_a_chat(sdk: openai.OpenAI) -> None:
    answer = sdk.chat.completions.create(
        model="tiny-chat", messages=FRANCE, logprobs=True, top_logprobs=3, temperature=0
    )
    choice = answer.choices[0]
    assert choice.logprobs is not None
    entries = choice.logprobs.content or []
    spoken = b"".join(bytes(entry.bytes or []) for entry in entries)
    assert spoken.decode().startswith(choice.message.content or "")
    for entry in entries:
        assert len(entry.top_logprobs) == 3
        assert entry.top_logprobs[0].logprob == pytest.approx(entry.logprob), "greedy takes the likeliest"
        assert sum(math.exp(top.logprob) for top in entry.top_logprobs) <= 1.001


def test_reasoning_is_no_content(sdk: openai.OpenAI) -> None:
    ask: Any = {"model": "tiny-chat", "messages": FRANCE, "temperature": 0}
    thinking = {"enable_thinking": True}
    message = sdk.chat.completions.create(**ask, extra_body=thinking).choices[0].message
    assert "Paris" in (message.content or "")
    reasoning = (message.model_extra or {})["reasoning_content"]
    assert "capital" in reasoning
    assert "think>" not in reasoning + (message.content or "")
    content, thought = "", ""
    for chunk in sdk.chat.completions.create(**ask, extra_body=thinking, stream=True):
        delta = chunk.choices[0].delta
        content += delta.content or ""
        thought += (delta.model_extra or {}).get("reasoning_content") or ""
    assert (content, thought) == (message.content, reasoning)


def test_embeddings_in_both_encodings(sdk: openai.OpenAI) -> None:
    """The SDK itself asks for base64 and decodes it."""
    texts = ["A cat sleeps.", "A kitten naps.", "Taxes are due in May."]
    by_base64 = sdk.embeddings.create(model=MINILM, input=texts)
    assert [row.index for row in by_base64.data] == [0, 1, 2]
    assert by_base64.usage.prompt_tokens == by_base64.usage.total_tokens > 0
    by_float = sdk.embeddings.create(model=MINILM, input=texts, encoding_format="float")
    cat, kitten, tax = (row.embedding for row in by_float.data)
    assert by_base64.data[0].embedding == pytest.approx(cat, abs=1e-6)
    assert math.hypot(*cat) == pytest.approx(1, abs=1e-4)
    assert sum(map(float.__mul__, cat, kitten)) > sum(map(float.__mul__, cat, tax))
    raw = sdk.embeddings.create(model=MINILM, input=texts[0], encoding_format="base64").data[0].embedding
    assert isinstance(raw, str), "what is asked for by name comes as it is"
    assert struct.unpack("<384f", base64.b64decode(raw)) == pytest.approx(cat, abs=1e-4)


def test_shorter_embeddings_are_of_length_one(sdk: openai.OpenAI) -> None:
    whole = sdk.embeddings.create(model=MINILM, input="A cat sleeps.").data[0].embedding
    short = sdk.embeddings.create(model=MINILM, input="A cat sleeps.", dimensions=64).data[0].embedding
    length = math.hypot(*whole[:64])
    assert short == pytest.approx([value / length for value in whole[:64]], abs=1e-5)


def test_embeddings_of_token_ids(sdk: openai.OpenAI) -> None:
    """What LangChain sends unless it is told not to: ids of another vocabulary, which may not even exist here."""
    answer = sdk.embeddings.create(model=MINILM, input=[[101, 1037, 4937, 102], [101, 102]])
    assert [len(row.embedding) for row in answer.data] == [384, 384]
    with pytest.raises(openai.BadRequestError):
        sdk.embeddings.create(model=MINILM, input=[[99_999]])
