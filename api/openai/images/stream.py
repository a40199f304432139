"""Images as a stream: from a job's events to OpenAI's `partial_image` and `completed`."""

import asyncio
from collections.abc import AsyncIterator

from api.dispatch.call import result_of
from api.dispatch.frames import Frames
from api.dispatch.renderers import Answered
from api.http.answers.sse import named_frame
from api.http.context import Context
from api.openai.dialect import OPENAI
from api.openai.images.answer import CompletedImage, PartialImage
from api.openai.images.render import IMAGES, ImageMeta, completed_image, partial_image
from jobs.client import Submission
from jobs.errors import MlxqError
from jobs.events import Entry, Partial
from jobs.results import ImageResult


class ImageFrames(Frames):
    """Each partial image is written once, also when the job is run again."""

    def __init__(self, context: Context, base: str, accepted: Submission) -> None:
        self._read, self._base = context.blobs.read, base
        self._job_id, self._meta = accepted.job_id, IMAGES.noted(accepted.meta)
        self._written: set[tuple[int, int]] = set()

    async def of(self, entry: Entry) -> bytes:
        event = entry.event
        if not isinstance(event, Partial) or (event.index, event.number) in self._written:
            return b""
        self._written.add((event.index, event.number))
        return await asyncio.to_thread(self._partial, event)

    async def end(self, entry: Entry) -> AsyncIterator[bytes]:
        job = IMAGES.answered(self._job_id, self._meta, result_of(entry.event), self._base)
        for index in range(len(job.result.images)):
            yield await asyncio.to_thread(self._completed, job, index)

    def failed(self, error: MlxqError) -> bytes:
        return OPENAI.error_frame(error)

    def _partial(self, event: Partial) -> bytes:
        return _frame(partial_image(self._meta, event, self._read(event.blob)))

    def _completed(self, job: Answered[ImageMeta, ImageResult], index: int) -> bytes:
        return _frame(completed_image(job, index, self._read))


def _frame(event: PartialImage | CompletedImage) -> bytes:
    """Named as OpenAI names them."""
    return named_frame(event["type"], event)
