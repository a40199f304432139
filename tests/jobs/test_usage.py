"""Usage counts each job once, in the row of its day, kind, key, app and model; and its memory is bounded."""

import re
from collections.abc import AsyncIterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
import redis.asyncio

from jobs import gate as the_gate
from jobs import keys
from jobs.errors import EngineFailure
from jobs.gate import AsyncGate, Ending, Gate
from jobs.kinds import KINDS, Kind
from jobs.payloads import LoadPayload, RerankPayload
from jobs.redis.connection import async_connection
from jobs.results import (
    EmbeddingResult,
    EmbeddingUsage,
    ImageResult,
    ImageUsage,
    LoadResult,
    MadeImage,
    RerankResult,
    Result,
    SpeechResult,
    TextResult,
    TextUsage,
    Timings,
    TranscriptionResult,
)
from jobs.service_class import ServiceClass
from jobs.usage import KEPT_DAYS, MOST_ROWS, Row, read
from tests.support.jobs import TTL, request
from tests.support.payloads import typed

pytestmark = pytest.mark.anyio

DAY = 86_400
TEXT = TextResult(
    choices=[],
    usage=TextUsage(prompt_tokens=7, completion_tokens=3, cached_tokens=2),
    timings=Timings(0.5, 0.5),
)
IMAGE = MadeImage(artifact=0, blob="a", seed=1, width=64, height=64, content_type="image/png")


@pytest.fixture
async def connection(redis_url: str, clean_redis: redis.Redis) -> AsyncIterator[redis.asyncio.Redis]:
    made = async_connection(redis_url)
    yield made
    await made.aclose()


@pytest.fixture
def front(connection: redis.asyncio.Redis) -> AsyncGate:
    return AsyncGate(connection, TTL)


@pytest.fixture
def gate(clean_redis: redis.Redis) -> Gate:
    return Gate(clean_redis, "llm", "worker-1", TTL)


async def rows(connection: redis.asyncio.Redis) -> list[Row]:
    """Those of yesterday, today and tomorrow, in UTC: nobody told the gate another time."""
    today = datetime.now(UTC).date()
    found = read(connection, today - timedelta(1), today + timedelta(1))
    return [row async for part in found for row in part]


async def counted(connection: redis.asyncio.Redis) -> dict[str, int]:
    """What is not 0 in the only row, without times."""
    (row,) = await rows(connection)
    figures = {name: value for name, value in asdict(row.figures).items() if value}
    figures.pop("device_milliseconds", None)
    return figures


def run(gate: Gate, execution: str = "execution-1") -> str:
    (job_id,) = gate.take(1) or [""]
    assert gate.claim([(job_id, execution)])
    return job_id


def began(connection: redis.Redis, job_id: str, seconds_ago: float) -> None:
    """As if its model had begun with it so long ago."""
    now: Any = connection.time()
    connection.hset(keys.job(job_id), "mlxq_ran_ms", int((now[0] - seconds_ago) * 1000))


async def complete(front: AsyncGate, gate: Gate, result: Result = TEXT, **changes: Any) -> None:
    await front.admit(request(**changes), 9)
    gate.write([], [Ending(run(gate), "execution-1", result=result)])


@pytest.mark.parametrize(
    ("kind", "payload", "result", "figures"),
    [
        (
            Kind.CHAT,
            typed({"messages": []}),
            TEXT,
            {"prompt_tokens": 7, "cached_tokens": 2, "completion_tokens": 3},
        ),
        (
            Kind.EMBEDDING,
            typed({"inputs": ["Hello"]}),
            EmbeddingResult(embeddings=[], usage=EmbeddingUsage(5)),
            {"prompt_tokens": 5},
        ),
        (
            Kind.RERANK,
            RerankPayload(query="a", documents=["b"]),
            RerankResult(ranks=[], usage=EmbeddingUsage(6)),
            {"prompt_tokens": 6},
        ),
        (
            Kind.IMAGE,
            typed({"prompt": "A cat", "width": 64, "height": 64}),
            ImageResult(images=[IMAGE, IMAGE], usage=ImageUsage(input_tokens=1, output_tokens=1)),
            {"images": 2},
        ),
        (
            Kind.TRANSCRIPTION,
            typed({"audio": "a"}),
            TranscriptionResult(text="", duration=2.5),
            {"audio_milliseconds": 2500},
        ),
        (
            Kind.SPEECH,
            typed({"input": "Hello there", "format": "wav"}),
            SpeechResult(audio="a", format="wav", duration=1.25, characters=11),
            {"audio_milliseconds": 1250, "characters": 11},
        ),
    ],
    ids=lambda each: each if isinstance(each, Kind) else "",
)
async def test_a_kind_counts_what_it_made(
    front: AsyncGate,
    clean_redis: redis.Redis,
    connection: redis.asyncio.Redis,
    kind: Kind,
    payload: Any,
    result: Result,
    figures: dict[str, int],
) -> None:
    queue = KINDS[kind].queue
    assert queue is not None
    job = request(kind=kind, queue=queue, payload=payload, app="notes", owner="0123456789abcdef")
    await front.admit(job, 9)
    gate = Gate(clean_redis, queue, "worker-1", TTL)
    began(clean_redis, run(gate), 3)
    gate.write([], [Ending(job.id, "execution-1", result=result)])
    (row,) = await rows(connection)
    assert (row.kind, row.key, row.app, row.model) == (kind, "01234567", "notes", "org/tiny")
    assert 2000 <= row.figures.device_milliseconds < 60_000
    assert await counted(connection) == {"completed": 1, **figures}


async def test_a_job_counts_once_however_it_ends(
    front: AsyncGate, gate: Gate, clean_redis: redis.Redis, connection: redis.asyncio.Redis
) -> None:
    await complete(front, gate)
    await front.admit(request(), 9)
    failure = Ending(run(gate), "execution-1", error=EngineFailure("It broke."))
    gate.write([], [failure])
    # The outbox writes again what it does not know to be written.
    gate.write([], [failure])
    stopped, queued = request(), request()
    await front.admit(stopped, 9)
    run(gate)
    await front.cancel(stopped.id)
    gate.write([], [Ending(stopped.id, "execution-1")])
    await front.admit(queued, 9)
    await front.cancel(queued.id)
    await front.cancel(queued.id)
    await front.admit(request(expires_in=-1.0), 9)
    (late,) = gate.take(1) or [""]
    assert gate.claim([(late, "execution-1")]) == []
    await front.admit(request(service_class=ServiceClass.BACKGROUND), 1)
    await front.admit(request(service_class=ServiceClass.INTERACTIVE), 1)
    gate.write([], [Ending(run(gate), "execution-1", result=TEXT)])
    outcomes = {"completed": 2, "failed": 2, "cancelled": 2, "expired": 1}
    tokens = {"prompt_tokens": 14, "cached_tokens": 4, "completion_tokens": 6}
    assert await counted(connection) == outcomes | tokens


async def test_a_job_that_runs_again_counts_once_and_by_its_last_run(
    front: AsyncGate, gate: Gate, clean_redis: redis.Redis, connection: redis.asyncio.Redis
) -> None:
    await front.admit(request(), 9)
    began(clean_redis, run(gate), 1000)
    assert gate.recover(9, ["worker-1"]) == (1, 0)
    assert await rows(connection) == []
    job_id = run(gate, "execution-2")
    # What the first worker writes now does not count.
    gate.write([], [Ending(job_id, "execution-1", result=TEXT)])
    gate.write([], [Ending(job_id, "execution-2", result=TEXT)])
    (row,) = await rows(connection)
    assert (row.figures.requests, row.figures.prompt_tokens) == (1, 7)
    assert row.figures.device_milliseconds < 60_000

    await front.admit(request(), 9)
    run(gate)
    assert gate.recover(1, ["worker-1"]) == (0, 1)
    assert (await rows(connection))[0].figures.failed == 1


async def test_the_load_of_a_model_is_neither_a_request_nor_the_time_of_one(
    front: AsyncGate, gate: Gate, clean_redis: redis.Redis, connection: redis.asyncio.Redis
) -> None:
    await front.admit(request(kind=Kind.LOAD, payload=LoadPayload()), 9)
    gate.write([], [Ending(run(gate), "execution-1", result=LoadResult(status="loaded"))])
    assert await rows(connection) == []
    await front.admit(request(), 9)
    job_id = run(gate)
    began(clean_redis, job_id, 1000)
    clean_redis.hset(keys.job(job_id), "mlxq_loading", "1")
    gate.write([], [Ending(job_id, "execution-1", error=EngineFailure("It can't be loaded."))])
    assert await counted(connection) == {"failed": 1}
    assert (await rows(connection))[0].figures.device_milliseconds == 0


async def test_a_day_is_that_of_the_local_time_and_is_kept_for_a_year(
    front: AsyncGate, gate: Gate, clean_redis: redis.Redis, connection: redis.asyncio.Redis
) -> None:
    for offset in (0, DAY, DAY):
        clean_redis.set(keys.USAGE_OFFSET, offset)
        await complete(front, gate)
    first, second = await rows(connection)
    assert second.day - first.day == timedelta(1)
    assert (first.figures.completed, second.figures.completed) == (1, 2)
    for row in (first, second):
        left = clean_redis.ttl(keys.usage(row.day.toordinal() - datetime(1970, 1, 1).toordinal()))
        assert KEPT_DAYS * DAY <= left <= (KEPT_DAYS + 1) * DAY


async def test_a_day_has_a_bounded_number_of_rows(
    front: AsyncGate, gate: Gate, clean_redis: redis.Redis, connection: redis.asyncio.Redis
) -> None:
    for number in range(MOST_ROWS + 20):
        await complete(front, gate, app=f"app-{number}", owner="a" * 32)
    for _ in range(3):
        await complete(front, gate, app="app-0", owner="a" * 32)
    await complete(front, gate, app="app-0", owner="b" * 32)
    found = await rows(connection)
    assert len(found) == MOST_ROWS + 2
    rest = {row.key: row.figures.requests for row in found if row.app is None and row.model is None}
    assert rest == {"a" * 8: 20, "b" * 8: 1}
    assert next(row.figures.requests for row in found if row.app == "app-0") == 4
    assert sum(row.figures.prompt_tokens for row in found) == 7 * (MOST_ROWS + 24)
    (day,) = clean_redis.keys("mlxq:usage:*")
    assert int(clean_redis.memory_usage(day, samples=0) or 0) < 256 * MOST_ROWS
    script = (Path(the_gate.__file__).parent / "usage.lua").read_text()
    assert re.findall(r"MOST_ROWS, .* = ([0-9]+)", script) == [str(MOST_ROWS)]


async def test_names_are_bounded_and_can_not_pass_for_others(
    front: AsyncGate, gate: Gate, connection: redis.asyncio.Redis
) -> None:
    await complete(front, gate, app="é|\x1e ", model="org/\x1fa:b")
    await complete(front, gate, app="a", model="m" * 4000)
    odd, long = sorted(await rows(connection), key=lambda row: row.app is None)
    assert (odd.app, odd.model) == ("é|\x1e ", "org/\x1fa:b")
    assert (long.app, long.model, long.figures.completed) == (None, None, 1)
