"""Anthropic's SDK for Python against all processes, with the model that ships."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import anthropic
import pytest

from tests.support.system import System

QUESTION: list[anthropic.types.MessageParam] = [{"role": "user", "content": "What is the capital of Italy?"}]


@pytest.fixture
def claude(tiny: System) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=tiny.url, api_key="any", max_retries=0) as client:
        yield client


def test_a_message_says_what_a_chat_says(claude: anthropic.Anthropic, tiny: System) -> None:
    with tiny.openai() as openai:
        chat = openai.chat.completions.create(
            model="default",
            messages=[{"role": "user", "content": "What is the capital of Italy?"}],
            temperature=0,
        )
    message = claude.messages.create(
        model="default", max_tokens=100, messages=QUESTION, extra_body={"temperature": 0}
    )
    (block,) = message.content
    assert block.type == "text"
    assert block.text == chat.choices[0].message.content
    assert chat.usage is not None
    read = message.usage.input_tokens + (message.usage.cache_read_input_tokens or 0)
    assert (read, message.usage.output_tokens) == (chat.usage.prompt_tokens, chat.usage.completion_tokens)
    counted = claude.messages.count_tokens(model="default", messages=QUESTION)
    assert counted.input_tokens == read


def test_the_same_beginning_is_read_once(claude: anthropic.Anthropic) -> None:
    told = "A story of a fox, told at length. " * 20
    first = claude.messages.create(
        model="default", max_tokens=5, system=told, messages=[{"role": "user", "content": "Who is it about?"}]
    )
    second = claude.messages.create(
        model="default", max_tokens=5, system=told, messages=[{"role": "user", "content": "How long is it?"}]
    )
    assert first.usage.cache_read_input_tokens == 0
    cached = second.usage.cache_read_input_tokens or 0
    assert cached > 10 * second.usage.input_tokens


def test_a_stream_is_put_together(claude: anthropic.Anthropic) -> None:
    with claude.messages.stream(
        model="default", max_tokens=100, messages=QUESTION, extra_body={"temperature": 0}
    ) as stream:
        text = "".join(stream.text_stream)
        message = stream.get_final_message()
    assert "Rome" in text
    assert message.stop_reason == "end_turn"


def test_dozens_of_counts_at_once(claude: anthropic.Anthropic) -> None:
    """As the context view of Claude Code asks for them."""
    with ThreadPoolExecutor(26) as pool:
        counts = list(
            pool.map(
                lambda place: (
                    claude.messages.count_tokens(
                        model="default",
                        messages=[{"role": "user", "content": "foo"}],
                        tools=[{"name": f"tool_{place}", "input_schema": {"type": "object"}}],
                    ).input_tokens
                ),
                range(26),
            )
        )
    assert min(counts) > 1
