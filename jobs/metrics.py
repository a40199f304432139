"""Counts of jobs, tokens, times and requests, in one hash of Redis. It knows numbers, not how they are shown.

The gate counts jobs where they begin and end, once for all processes. API processes add their requests.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import redis.asyncio

from jobs import keys
from jobs.results import (
    EmbeddingResult,
    ImageResult,
    RerankResult,
    Result,
    SpeechResult,
    TextResult,
    TranscriptionResult,
)

#: Upper bounds of the buckets of times, in milliseconds, as `metrics.lua` has them.
BOUNDS = (10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 1800000)
#: How fields begin: `jobs|kind|outcome`, `wait|queue|bucket`, `run|kind|bucket`, `first|kind|bucket`,
#: `made|kind|what`, `http|method|route|status`, `webhooks|outcome`.
JOBS, WAIT, RUN, FIRST, MADE, HTTP = "jobs", "wait", "run", "first", "made", "http"
WEBHOOKS = "webhooks"
#: What is counted of results.
FIGURES = (
    "audio_milliseconds",
    "cached_tokens",
    "characters",
    "completion_tokens",
    "images",
    "prompt_tokens",
    "prompts_with_cache",
    "prompts_without_cache",
    "steps",
)


@dataclass(frozen=True, slots=True)
class Times:
    """How many times fell into each bucket, the last of which has no bound; and the sum of all, in milliseconds."""

    buckets: tuple[int, ...]
    total: int


class Counts:
    """The counts at one moment. Fields of another version are left out where they do not fit."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        self._fields = {tuple(name.split("|")): int(value) for name, value in fields.items()}

    def of(self, name: str, labels: int) -> dict[tuple[str, ...], int]:
        """The counts of that name by their labels."""
        return {
            field[1:]: value
            for field, value in self._fields.items()
            if field[0] == name and len(field) == labels + 1
        }

    def times(self, name: str) -> dict[str, Times]:
        """The times of that name by their label."""
        found = self.of(name, 2)
        return {
            label: Times(
                tuple(found.get((label, bucket), 0) for bucket in (*map(str, BOUNDS), "inf")),
                found.get((label, "sum"), 0),
            )
            for label in sorted({label for label, _ in found})
        }


async def read(client: redis.asyncio.Redis) -> Counts:
    """Raises RedisError."""
    fields = await client.hgetall(keys.METRICS)
    return Counts({str(name): str(value) for name, value in fields.items()})


async def add_requests(client: redis.asyncio.Redis, requests: Mapping[tuple[str, str, int], int]) -> None:
    """Requests by method, route and status. Raises RedisError."""
    async with client.pipeline(transaction=True) as pipe:
        for (method, route, status), number in requests.items():
            pipe.hincrby(keys.METRICS, f"{HTTP}|{method}|{route}|{status}", number)
        await pipe.execute()


def counted(result: Result | None) -> tuple[str, str]:
    """What `finish.lua` counts of a result: names and whole numbers with spaces between, and, of a text, the
    milliseconds from its first token to its end, else ''.
    """
    made: dict[str, int] = {}
    written = ""
    match result:
        case TextResult(usage=usage, timings=timings):
            written = str(round(timings.generation_seconds * 1000))
            made = {
                "prompt_tokens": usage.prompt_tokens,
                "completion_tokens": usage.completion_tokens,
                "cached_tokens": usage.cached_tokens,
                "prompts_with_cache" if usage.cached_tokens else "prompts_without_cache": 1,
            }
        case EmbeddingResult(usage=usage) | RerankResult(usage=usage):
            made = {"prompt_tokens": usage.prompt_tokens}
        case ImageResult(images=images, steps=steps):
            made = {"images": len(images), "steps": len(images) * steps}
        case SpeechResult(duration=seconds, characters=characters):
            made = {"audio_milliseconds": round(seconds * 1000), "characters": characters}
        case TranscriptionResult(duration=seconds):
            made = {"audio_milliseconds": round(seconds * 1000)}
    return " ".join(f"{name} {number}" for name, number in made.items() if number), written
