"""A recording on its way in: from a form or from JSON to a blob, judged by what is in it.

It knows HTTP and files; it does not know what is asked of the recording.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import UploadFile
from starlette.requests import Request

from api.http.bodies.base64_text import base64_in, from_base64
from api.http.bodies.body import Body, read_body
from api.http.bodies.form import Form, FormLimits, is_form, read_form
from api.http.callers.caller import caller_of
from api.http.context import Context
from api.inputs.recordings import opening
from api.openai.transcription.schema import JsonTranscriptionRequest, TranscriptionRequest
from jobs.blobs import Uploads
from jobs.errors import InvalidRequest, PayloadTooLarge

#: Bytes of a file that are held at once.
_CHUNK = 1 << 20
_FILE, _LISTS = "file", ("timestamp_granularities",)
_LIMITS = FormLimits(files=1, fields=100, field_bytes=1 << 16, holders=(_FILE,))


@dataclass(frozen=True, slots=True)
class Recording:
    """`seconds` by its own word, or by its packets': who decodes it all finds out."""

    blob: str
    seconds: float


class Upload:
    """A request with a recording. `body` is what it asks; `store` keeps the recording. Use as a context manager."""

    def __init__(self, body: Body[Any], file: UploadFile | str, form: Form | None) -> None:
        self.body = body
        self._file = file
        self._form = form

    async def __aenter__(self) -> "Upload":
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._form is not None:
            await self._form.close()

    async def store(self, context: Context, uploads: Uploads) -> Recording:
        """Keep it among the request's files. Raises InvalidRequest for what can't be heard, and PayloadTooLarge."""
        # FFmpeg takes time and memory: who never sends a recording never loads it.
        from mlxq.media.audio import UnreadableAudio, probe

        settings = context.settings
        if isinstance(self._file, UploadFile) and self._file.size:
            await asyncio.to_thread(context.blobs.check_room, self._file.size)
        with uploads.draft() as draft:
            async for chunk in self._chunks(settings.max_audio_bytes):
                await asyncio.to_thread(draft.write, chunk)
            try:
                sound = await opening(lambda: probe(draft.file, settings.max_audio_seconds))
            except UnreadableAudio as error:
                raise InvalidRequest(
                    f"The audio can't be used: {error}.", param="file", code="invalid_audio"
                ) from error
            return Recording(await asyncio.to_thread(uploads.keep, draft), sound.seconds)

    async def _chunks(self, limit: int) -> AsyncIterator[bytes]:
        room = limit
        async for chunk in _pieces(self._file):
            room -= len(chunk)
            if room < 0:
                raise PayloadTooLarge(f"The recording is larger than {limit / 2**20:g} MB.", param="file")
            yield chunk


async def read_upload(request: Request) -> Upload:
    """The request, in either form. Raises InvalidRequest."""
    if await is_form(request):
        form = await read_form(request, _LIMITS)
        try:
            files = form.files(_FILE)
            if not files:
                raise InvalidRequest(
                    "Missing required parameter: 'file'.", param=_FILE, code="missing_required_parameter"
                )
            fields = form.body(TranscriptionRequest, caller_of(request).withheld, _LISTS)
            return Upload(fields, files[0], form)
        except BaseException:
            await form.close()
            raise
    body = await read_body(request, JsonTranscriptionRequest)
    return Upload(body, body.value.file, None)


async def _pieces(file: UploadFile | str) -> AsyncIterator[bytes]:
    if isinstance(file, str):
        yield await asyncio.to_thread(_decode, file)
        return
    while chunk := await file.read(_CHUNK):
        yield chunk


def _decode(text: str) -> bytes:
    """The bytes in base64, plain or in a data: URL, whose media type is not believed. Raises InvalidRequest."""
    try:
        return from_base64(base64_in(text))
    except ValueError as error:
        raise _no_base64() from error


def _no_base64() -> InvalidRequest:
    return InvalidRequest("The audio in 'file' is not in base64.", param="file", code="invalid_audio")
