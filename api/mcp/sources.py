"""Files that a call names: in base64, as a data: URL, at a web address, or made by another job.

A name that looks like a path is refused with a reason: no file of this machine is opened by its path.
"""

import asyncio
import io
import re

from starlette.datastructures import UploadFile
from starlette.requests import Request

from api.dispatch.job_file import job_file
from api.http.bodies.base64_text import is_data_url
from api.http.context import context_of
from api.http.middleware.forwarded import base_of
from api.http.outgoing.errors import FetchError, TooLarge
from jobs.errors import InvalidRequest, PayloadTooLarge

#: Bytes of a recording that is fetched: it is held in memory.
_FETCHED = 64 << 20
#: What other tools call a file that a job made: `img-1a…/0`. The longer form is a path of this server.
_ARTIFACT = re.compile(r"(?:/?v1/jobs/)?([a-z]+[-_][0-9a-f]{24})/(?:artifacts/)?([0-9]{1,5})")
_SCHEMES = ("http://", "https://")
#: Characters of a text that may be a path.
_LONGEST_PATH = 4096


async def image_source(request: Request, text: str, param: str) -> UploadFile | str:
    """The file that a job made, or the text itself, which `api.inputs.image_source` reads. Raises InvalidRequest."""
    made = await _made(request, text, param)
    return text if made is None else made


async def recording_source(request: Request, text: str, param: str) -> UploadFile | str:
    """The same of a recording, which is fetched from a web address here."""
    made = await _made(request, text, param)
    if made is not None:
        return made
    if not text[:8].lower().startswith(_SCHEMES):
        return text
    # Like the route for images, whose settings these are.
    from api.http.outgoing.fetch import fetch

    settings = context_of(request).settings
    limit = min(_FETCHED, settings.max_audio_bytes)
    try:
        async with fetch(
            text,
            limit=limit,
            timeout=settings.image_fetch_timeout,
            private=settings.allow_private_urls,
            accept="audio/*, video/*",
        ) as data:
            return _file(data)
    except TooLarge:
        raise PayloadTooLarge(f"The recording is larger than {limit / 2**20:g} MB.", param=param) from None
    except FetchError as error:
        raise InvalidRequest(
            f"The recording in '{param}' can't be used: {error}.", param=param, code="invalid_audio"
        ) from error


async def _made(request: Request, text: str, param: str) -> UploadFile | None:
    """The file, if the text names one that a job of this caller made. Raises InvalidRequest for a path."""
    found = _ARTIFACT.fullmatch(text.removeprefix(base_of(request)))
    if found is not None:
        artifact = await job_file(request, found[1], int(found[2]))
        return _file(await asyncio.to_thread(context_of(request).blobs.read, artifact.blob))
    if _is_path(text):
        raise InvalidRequest(
            f"'{param}' is a path, and this server opens no files by their paths. Send the file in base64 or as a "
            "data: URL, an http(s) address, or the name of a file that a tool made, such as 'img-…/0'.",
            param=param,
            code="invalid_value",
        )
    return None


def _is_path(text: str) -> bool:
    """Base64 has neither of these characters."""
    if len(text) > _LONGEST_PATH or is_data_url(text) or text[:8].lower().startswith(_SCHEMES):
        return False
    return "." in text or "~" in text or ":" in text


def _file(data: bytes) -> UploadFile:
    return UploadFile(io.BytesIO(data), size=len(data))
