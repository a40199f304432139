"""`POST /api/pull`: a download as a stream of its progress, or without."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable

from starlette.requests import Request
from starlette.responses import Response

from api.dispatch.call import result_of
from api.dispatch.frames import Frames
from api.dispatch.job_stream import stream
from api.dispatch.progress import JobProgress
from api.dispatch.renderers import Answered
from api.dispatch.run import run
from api.http.answers.json_response import json_response
from api.http.callers.app_name import app_name
from api.http.callers.caller import caller_of
from api.http.context import context_of, jobs_of
from api.http.job_options.prefer import SYNCHRONOUS
from api.http.job_options.webhook import webhook_of
from api.ollama.dialect import LINES, OLLAMA, line, not_found
from api.ollama.models.answer import Pulling
from jobs.client import Submission
from jobs.errors import MlxqError, ModelNotFound
from jobs.events import Entry, Progress
from jobs.meta import DownloadMeta
from jobs.results import DownloadResult
from mlxq.catalog import is_hub_id, plain_name
from mlxq.downloads.request import download_request

_DONE: Pulling = {"status": "success"}


def pulled(job: Answered[DownloadMeta, DownloadResult]) -> Pulling:
    return _DONE


async def pull(request: Request, name: str, *, streamed: bool, headers: dict[str, str]) -> Response:
    """The download goes on when its client leaves. Raises ModelNotFound for what no hub has by its name."""
    context = context_of(request)
    model = plain_name(name)
    try:
        ref = await context.look_up(jobs_of(request), model)
    except ModelNotFound:
        ref = None
    if ref is not None and ref.installed:
        return _here(streamed, headers)
    if not is_hub_id(model) or context.settings.hf_hub_offline:
        raise not_found(name)
    owner = caller_of(request).owner
    job = download_request(
        context.settings,
        model,
        app=app_name(request),
        owner=owner,
        dialect=OLLAMA.name,
        webhook=webhook_of(request),
    )
    if streamed:

        def frames(accepted: Submission) -> PullFrames:
            return PullFrames(model, context.models.forget)

        return stream(request, job, frames, headers, content=LINES, keep=True)
    response = await run(request, job, SYNCHRONOUS, headers, keep=True)
    context.models.forget()
    return response


def _here(streamed: bool, headers: dict[str, str]) -> Response:
    if not streamed:
        return json_response(_DONE, headers=headers)
    manifest: Pulling = {"status": "pulling manifest"}
    return Response(line(manifest) + line(_DONE), headers={**LINES, **headers})


class PullFrames(Frames):
    """Ollama's clients show a bar for each digest: a model has one here."""

    headers = LINES

    def __init__(self, model: str, forget: Callable[[], None]) -> None:
        digest = hashlib.sha256(model.encode()).hexdigest()
        self._last: Pulling = {"status": "pulling manifest"}
        self._digest, self._status = f"sha256:{digest}", f"pulling {digest[:12]}"
        self._forget = forget

    def begin(self) -> bytes:
        return line(self._last)

    async def of(self, entry: Entry) -> bytes:
        event = entry.event
        if not isinstance(event, Progress):
            return b""
        self._last = {
            "status": self._status,
            "digest": self._digest,
            "total": event.total,
            "completed": event.done,
        }
        return line(self._last)

    async def end(self, entry: Entry) -> AsyncIterator[bytes]:
        result_of(entry.event)
        await asyncio.to_thread(self._forget)
        yield line({"status": "verifying sha256 digest"}) + line(_DONE)

    def alive(self, progress: JobProgress) -> bytes:
        return line(self._last)

    def failed(self, error: MlxqError) -> bytes:
        return line(OLLAMA.error_body(error))
