"""A user's first hour: the model that ships with mlxq, through OpenAI's SDK."""

from typing import Any

import openai
import pytest

from tests.support.system import REPO, System


@pytest.fixture
def sdk(tiny: System) -> openai.OpenAI:
    return tiny.openai()


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def ask(sdk: openai.OpenAI, *messages: Any) -> str:
    answer = sdk.chat.completions.create(model="default", messages=list(messages), temperature=0)
    assert answer.choices[0].finish_reason == "stop"
    return answer.choices[0].message.content or ""


def test_a_first_question(sdk: openai.OpenAI) -> None:
    assert "Paris" in ask(sdk, user("What is the capital of France?"))


def test_a_conversation_goes_on_from_what_was_read(sdk: openai.OpenAI) -> None:
    messages: list[Any] = []
    known = []
    for country, capital in (("France", "Paris"), ("Italy", "Rome"), ("Spain", "Madrid")):
        messages.append(user(f"What is the capital of {country}?"))
        answer = sdk.chat.completions.create(model="tiny-chat", messages=messages, temperature=0)
        said = answer.choices[0].message.content or ""
        assert capital in said
        messages.append({"role": "assistant", "content": said})
        assert answer.usage is not None
        assert answer.usage.prompt_tokens_details is not None
        known.append(answer.usage.prompt_tokens_details.cached_tokens or 0)
    assert known[-1] >= 32, "the turns before are not read again"


def test_a_first_recording(sdk: openai.OpenAI) -> None:
    clip = REPO / "tests" / "data" / "speech" / "digits.flac"
    answer = sdk.audio.transcriptions.create(model="tiny-whisper", file=clip, language="en")
    assert answer.text == "three one two"


def test_the_sdks_own_accumulation_of_a_stream(sdk: openai.OpenAI) -> None:
    question: Any = [user("What is the capital of Japan?")]
    with sdk.chat.completions.stream(model="default", messages=question, temperature=0) as stream:
        pieces = [event.delta for event in stream if event.type == "content.delta"]
        final = stream.get_final_completion()
    assert "".join(pieces) == final.choices[0].message.content
    assert "Tokyo" in "".join(pieces)
