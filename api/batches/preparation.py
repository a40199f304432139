"""Makes the job of a batch's request, as if its caller had just sent it: by the function of its address.

The request has no connection: its caller, with the rights that it had, comes from the batch.
"""

import hashlib
from dataclasses import replace

import orjson
from fastapi import FastAPI
from starlette.requests import Request
from starlette.types import Message

from api.batches.batching import Batching
from api.http.bodies.body import parse_object
from api.http.bodies.uploads import discard
from api.http.callers.caller import Caller, Limit, Rights
from api.http.context import Context
from jobs.batches import Asked, Begun
from jobs.batches.requests import sent
from jobs.blobs import Uploads
from jobs.client import JobClient
from jobs.errors import InvalidRequest
from jobs.request import Attach, JobRequest
from jobs.service_class import ServiceClass


class Preparation:
    """Of the requests of one batch."""

    def __init__(self, app: FastAPI, jobs: JobClient, asked: Asked) -> None:
        batching: Batching = app.state.batching
        self._app, self._jobs, self._asked = app, jobs, asked
        self._context: Context = app.state.context
        self._batched = batching.endpoints[asked.endpoint]
        limit = None if asked.limit is None else Limit[asked.limit]
        self._caller = Caller(Rights(asked.rights), limit, asked.owner, asked.sees_all)

    def job_id(self, number: int, begun: Begun) -> str:
        """The same for each driver."""
        return f"{self._batched.prefix}{self._digest(number, begun)[:24]}"

    def scope(self, number: int, begun: Begun) -> str:
        """As an `Idempotency-Key` would be kept: a job that was accepted is not made twice."""
        return self._digest(number, begun)

    def _digest(self, number: int, begun: Begun) -> str:
        return hashlib.sha256(f"{self._asked.id}:{number}:{begun.attempt}".encode()).hexdigest()

    async def job(self, number: int, begun: Begun, line: bytes) -> JobRequest:
        """Raises MlxqError for a request that its route would refuse."""
        uploads = Uploads(self._context.blobs)
        try:
            made = await self._batched.prepare(self._request(sent(line)[1], uploads))
            if made.job.stream:
                raise InvalidRequest("A request of a batch can't be streamed.", param="stream")
        except BaseException:
            uploads.end()
            await discard(uploads)
            raise
        return replace(
            made.job,
            id=self.job_id(number, begun),
            idempotency_scope=self.scope(number, begun),
            fingerprint=None,
            attach=Attach.NEVER,
            expires_in=None,
            linger=0.0,
            service_class=ServiceClass.BACKGROUND,
            # Who wants to be told is told of the end of the batch.
            webhook=None,
        )

    def _request(self, body: bytes, uploads: Uploads) -> Request:
        if self._batched.fixed:
            body = orjson.dumps({**parse_object(body), **self._batched.fixed})
        headers = {"content-type": "application/json", "x-app": self._asked.app, "cache-control": "no-cache"}
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": self._asked.endpoint,
            "raw_path": self._asked.endpoint.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [
                (name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items()
            ],
            "client": None,
            "server": None,
            "app": self._app,
            "state": {
                "jobs": self._jobs,
                "caller": self._caller,
                "uploads": uploads,
                "base": self._asked.base,
                "request_id": "",
            },
        }

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        return Request(scope, receive)
