"""Batches in Redis: one driver at a time, and what another one finds when it takes over."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import redis
import redis.asyncio

from jobs import keys
from jobs.batches import Asked, BatchProblem, BatchStatus, BatchStore, Begun, Commit, Lost, Problems, Reader
from jobs.batches import store as stores
from jobs.batches.store import FileGrowth, ForgottenJob
from jobs.blobs import STORED, LocalBlobs
from jobs.files import FileStore, Part, StoredFile

pytestmark = pytest.mark.anyio

ASKED = Asked(
    id="batch_1",
    dialect="openai",
    endpoint="/v1/embeddings",
    input_blob="stored-1",
    created_at=100,
    expires_at=200,
)
FIRST, SECOND = "one", "other"


@pytest.fixture
async def connection(clean_redis: redis.Redis, redis_url: str) -> AsyncIterator[redis.asyncio.Redis]:
    async with redis.asyncio.Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


@pytest.fixture
async def store(connection: redis.asyncio.Redis) -> BatchStore:
    store = BatchStore(connection)
    assert await store.create(ASKED, most=1)
    return store


def growth(part: str, size: int, *, first: bool = False, replaces: bool = False) -> FileGrowth:
    record = StoredFile(id="file-1", filename="out.jsonl", purpose="batch_output", batch=ASKED.id)
    return FileGrowth(
        name="output",
        id="file-1",
        part=Part(part, size).encode(),
        added=size,
        replaces=replaces,
        record=msgspec.json.encode(record).decode() if first else "",
    )


async def test_one_process_drives_a_batch(store: BatchStore, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await store.lease(ASKED.id, FIRST) is BatchStatus.VALIDATING
    assert await store.lease(ASKED.id, SECOND) is None
    await store.release(ASKED.id, SECOND)
    assert await store.lease(ASKED.id, SECOND) is None
    await store.release(ASKED.id, FIRST)
    monkeypatch.setattr(stores, "LEASE", -1)
    assert await store.lease(ASKED.id, SECOND) is BatchStatus.VALIDATING
    # Its time is over.
    assert await store.lease(ASKED.id, FIRST) is BatchStatus.VALIDATING
    assert not await store.create(ASKED, most=1)


async def test_who_has_lost_a_batch_writes_nothing(
    store: BatchStore, connection: redis.asyncio.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "LEASE", -1)
    await store.lease(ASKED.id, FIRST)
    await store.begin(ASKED.id, FIRST, total=2)
    begun = {
        "1": msgspec.json.encode(Begun("a", 0)).decode(),
        "2": msgspec.json.encode(Begun("b", 9)).decode(),
    }
    await store.commit(ASKED.id, FIRST, Commit(offset=18, number=2, begun=begun))
    await store.lease(ASKED.id, SECOND)
    outcome = Commit(
        offset=18,
        number=2,
        ended=["1"],
        sums={"count:completed": 1, "tokens:input": 3},
        files=[growth("stored-2", 5, first=True)],
        jobs=[ForgottenJob("embd-1", "embedding", "scope")],
    )
    await connection.hset(keys.job("embd-1"), "status", "finished")
    batch = await store.get(ASKED.id)
    assert batch is not None
    with pytest.raises(Lost):
        await store.commit(ASKED.id, FIRST, outcome)
    with pytest.raises(Lost):
        await store.finalize(ASKED.id, FIRST)
    with pytest.raises(Lost):
        await store.finish(batch, FIRST, BatchStatus.COMPLETED)
    assert await store.begun(ASKED.id) == {1: Begun("a", 0), 2: Begun("b", 9)}
    assert await store.look(["embd-1", "embd-2"]) == stores.Look(["embd-1"], ["embd-2"], 0)

    await store.commit(ASKED.id, SECOND, outcome)
    assert await store.begun(ASKED.id) == {2: Begun("b", 9)}
    batch = await store.get(ASKED.id)
    assert batch is not None
    assert (batch.count("completed"), batch.left, batch.tokens, batch.offset) == (1, 1, {"input": 3}, 18)
    assert not await connection.exists(keys.job("embd-1"))


async def test_parts_are_replaced_and_their_blobs_let_go(
    store: BatchStore, connection: redis.asyncio.Redis
) -> None:
    files = FileStore(connection)
    await store.lease(ASKED.id, FIRST)
    await store.begin(ASKED.id, FIRST, total=3)
    for place, each in enumerate(
        [
            growth("stored-2", 5, first=True),
            FileGrowth(name="output", id="file-1", part="stored-3 9", added=4, replaces=True),
            growth("stored-4", 7),
        ],
        1,
    ):
        await store.commit(ASKED.id, FIRST, Commit(offset=place, number=place, files=[each]))
    assert await files.parts("file-1") == [Part("stored-3", 9), Part("stored-4", 7)]
    file = await files.get("file-1")
    assert file is not None
    assert (file.bytes, file.batch) == (16, ASKED.id)
    assert await connection.lrange(keys.GARBAGE, 0, -1) == ["stored-2"]
    batch = await store.get(ASKED.id)
    assert batch is not None
    assert await store.cancel(ASKED.id) is BatchStatus.CANCELLING
    assert await store.finalize(ASKED.id, FIRST) is BatchStatus.CANCELLING
    assert not await store.drop(batch)
    await store.finish(batch, FIRST, BatchStatus.CANCELLED)
    assert await connection.lrange(keys.GARBAGE, 0, -1) == ["stored-2", "stored-1"]
    assert await store.cancel(ASKED.id) is BatchStatus.CANCELLED
    assert await store.lease(ASKED.id, FIRST) is None
    assert await store.drop(batch)
    # Its output is listed: it goes when its own time is over.
    assert await files.get("file-1") is not None


def test_lines_are_read_in_pieces(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path / "blobs")
    lines = [b"\xef\xbb\xbf{}", b"", b"{1}", b"x" * 50, b"  ", b"{2}"]
    blob = blobs.put(b"\r\n".join(lines), STORED)
    reader = Reader(blobs, blob, longest=20)
    offset = number = 0
    found = []
    while True:
        requests, offset = reader.read(offset, number, 1, 1 << 20)
        if not requests:
            break
        number = requests[-1].number
        found += requests
    assert [request.number for request in found] == [1, 3, 4, 6]
    assert [request.data.strip() for request in found] == [b"{}", b"{1}", b"x" * 21, b"{2}"]
    assert [reader.at(request.offset) for request in found] == [request.data for request in found]
    problems = Problems("/v1/embeddings", longest=20, most=3)
    problems.check(found)
    problems.end()
    assert problems.found[0] == BatchProblem(
        "too_many_requests", "The input file has 4 requests; 3 are the most.", param="input_file_id"
    )
    assert [(each.code, each.line) for each in problems.found[1:]] == [
        ("missing_required_parameter", 1),
        ("invalid_json_line", 3),
        ("request_too_large", 4),
        ("invalid_json_line", 6),
    ]
