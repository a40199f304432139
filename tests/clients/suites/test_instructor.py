"""Instructor in its TOOLS and JSON_SCHEMA modes, with a model that knows nothing: what holds, the server enforces."""

# The libraries are not in the environment that mypy looks into.
# mypy: disable-error-code="import-not-found,misc,untyped-decorator,no-any-return"

from enum import StrEnum
from typing import Annotated, Literal

import instructor
import openai
import pytest
from pydantic import BaseModel, Field

from tests.clients.suites.server import CHAT, KEY, RANDOM, URL

MODES = [instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA]


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Part(BaseModel, extra="forbid"):
    name: Annotated[str, Field(max_length=12)]
    weight: Annotated[int, Field(ge=0, le=1000)]


class Machine(BaseModel, extra="forbid"):
    """A machine with its parts."""

    colour: Colour
    kind: Literal["car", "ship"]
    electric: bool
    parts: Annotated[list[Part], Field(min_length=1, max_length=3)]


@pytest.fixture(params=MODES, ids=lambda mode: mode.name)
def client(request: pytest.FixtureRequest) -> instructor.Instructor:
    sdk = openai.OpenAI(base_url=URL, api_key=KEY, max_retries=0)
    return instructor.from_openai(sdk, mode=request.param)


@pytest.mark.parametrize("model", [CHAT, RANDOM])
def test_the_first_answer_is_valid(client: instructor.Instructor, model: str) -> None:
    for seed in range(3):
        machine = client.chat.completions.create(
            model=model,
            response_model=Machine,
            messages=[{"role": "user", "content": "Describe a machine."}],
            max_retries=0,
            max_tokens=1000,
            seed=seed,
        )
        assert 1 <= len(machine.parts) <= 3


def test_partial_objects_of_a_stream(client: instructor.Instructor) -> None:
    stream = client.chat.completions.create_partial(
        model=RANDOM,
        response_model=Part,
        messages=[{"role": "user", "content": "Name a part."}],
        max_retries=0,
        max_tokens=1000,
        seed=1,
    )
    seen = list(stream)
    # A call's arguments come in one piece, when they are whole; text comes as it is written.
    assert len(seen) > (1 if client.mode is instructor.Mode.JSON_SCHEMA else 0)
    Part.model_validate(seen[-1].model_dump())


async def test_the_async_client() -> None:
    sdk = openai.AsyncOpenAI(base_url=URL, api_key=KEY, max_retries=0)
    for mode in MODES:
        part, raw = await instructor.from_openai(sdk, mode=mode).chat.completions.create_with_completion(
            model=RANDOM,
            response_model=Part,
            messages=[{"role": "user", "content": "Name a part."}],
            max_retries=0,
            max_tokens=300,
        )
        assert 0 <= part.weight <= 1000
        assert raw.usage.completion_tokens > 0


def test_from_provider() -> None:
    client = instructor.from_provider(
        f"openai/{CHAT}", base_url=URL, api_key=KEY, mode=instructor.Mode.JSON_SCHEMA
    )
    part = client.chat.completions.create(
        response_model=Part,
        messages=[{"role": "user", "content": "Name a part."}],
        max_retries=0,
        max_tokens=300,
        temperature=0,
    )
    assert isinstance(part, Part)
