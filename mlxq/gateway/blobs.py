"""The blobs of jobs for workers of other machines: `GET` and `PUT /blobs/{id}`.

A worker reads the files of the jobs that it runs, and stores those that it makes. This module knows HTTP and blobs.
Who asks, the caller of `blob_routes` knows.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection

import redis.asyncio
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from jobs import keys
from jobs.blobs import MADE, BlobStore
from jobs.blobs.ids import gone
from jobs.blobs.response import BlobResponse
from jobs.errors import InvalidRequest, MlxqError, PayloadTooLarge, ServiceUnavailable
from jobs.kinds import QUEUES
from mlxq.gateway.events import is_made

#: Bytes of the largest file that a job makes.
_LARGEST = 1 << 30
#: Bytes that are written in one go.
_PIECE = 512 << 10
#: Transfers of one worker at the same time.
_MOST = 16
_TYPE = "application/octet-stream"

#: The name of the worker that asks. Raises MlxqError for who is none.
WorkerOf = Callable[[Request], Awaitable[str]]
#: The ids of the blobs that the jobs of a worker name.
InputsOf = Callable[[str], Awaitable[Collection[str]]]


class _NoLength(InvalidRequest):
    status = 411
    code = "no_length"


def blob_routes(blobs: BlobStore, worker_of: WorkerOf, inputs_of: InputsOf) -> list[Route]:
    """For an application that renders MlxqError."""
    door = _Door(blobs, worker_of, inputs_of)
    return [
        Route("/blobs/{blob_id}", door.get, methods=["GET"]),
        Route("/blobs/{blob_id}", door.put, methods=["PUT"]),
    ]


async def claimed_inputs(connection: redis.asyncio.Redis, worker: str) -> set[str]:
    """The blobs that the jobs name which a worker runs now. The client speaks str. Raises RedisError."""
    # Its queues are workers of their own for RQ.
    names = {f"{worker}.{queue}" for queue in QUEUES}
    async with connection.pipeline(transaction=False) as pipe:
        for queue in QUEUES:
            pipe.zrange(keys.started(queue), 0, -1)
        started: list[list[str]] = await pipe.execute()
    # A running job is listed with its execution.
    ids = {member.partition(":")[0] for members in started for member in members}
    if not ids:
        return set()
    async with connection.pipeline(transaction=False) as pipe:
        for job_id in ids:
            pipe.hmget(keys.job(job_id), ["worker_name", "mlxq_inputs"])
        jobs: list[tuple[str | None, str | None]] = await pipe.execute()
    return {blob for name, inputs in jobs if name in names and inputs for blob in inputs.split()}


class _Door:
    def __init__(self, blobs: BlobStore, worker_of: WorkerOf, inputs_of: InputsOf) -> None:
        self._blobs, self._worker_of, self._inputs_of = blobs, worker_of, inputs_of
        self._transfers: Counter[str] = Counter()

    async def get(self, request: Request) -> Response:
        """The blob, or a range of it."""
        worker, blob_id = await self._worker_of(request), request.path_params["blob_id"]
        # A blob that is there, and is not for this worker, looks like one that is not.
        if blob_id not in await self._inputs_of(worker):
            raise gone()
        return await asyncio.to_thread(BlobResponse, self._blobs, blob_id, {}, _TYPE)

    async def put(self, request: Request) -> Response:
        """Stores the body under an id that has its hash. The same may come again."""
        worker, blob_id = await self._worker_of(request), request.path_params["blob_id"]
        length = _length(request)
        if self._transfers[worker] >= _MOST:
            raise ServiceUnavailable(f"This worker sends {_MOST} files already.", retry_after=1)
        self._transfers[worker] += 1
        body = request.stream()
        try:
            await self._store(body, blob_id, length)
        except MlxqError:
            # An answer to a request that is not read yet would be lost where the connection is closed.
            with contextlib.suppress(ClientDisconnect):
                async for _ in body:
                    pass
            raise
        except ClientDisconnect:
            return Response(status_code=400)
        finally:
            self._transfers[worker] -= 1
            if not self._transfers[worker]:
                del self._transfers[worker]
        return Response(status_code=201)

    async def _store(self, body: AsyncIterator[bytes], blob_id: str, length: int) -> None:
        """Raises InvalidRequest, InsufficientStorage and ServiceUnavailable."""
        if not is_made(blob_id):
            raise InvalidRequest("The id is none of a file that a job makes.", code="wrong_id")
        await asyncio.to_thread(self._blobs.check_room, length)
        with self._blobs.draft(MADE) as draft:
            async for piece in _pieces(body):
                await asyncio.to_thread(draft.write, piece)
            await asyncio.to_thread(draft.keep, blob_id)


def _length(request: Request) -> int:
    """Bytes of the body. Raises PayloadTooLarge, and InvalidRequest where they are not said."""
    text = request.headers.get("content-length", "")
    if not text.isdecimal():
        raise _NoLength("The length of the file must be given.")
    if int(text) > _LARGEST:
        raise PayloadTooLarge(f"The file is larger than {_LARGEST >> 20} MB.")
    return int(text)


async def _pieces(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in larger pieces."""
    held = bytearray()
    async for chunk in stream:
        held += chunk
        if len(held) >= _PIECE:
            yield bytes(held)
            held.clear()
    if held:
        yield bytes(held)
