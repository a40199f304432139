"""Forms on their way in: multipart and urlencoded, within bounds, and in UTF-8 whatever their header says.

It knows the two formats; it does not know what the fields mean.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from urllib.parse import parse_qsl

from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from jobs.errors import InvalidRequest

#: Bytes that one byte of an urlencoded field may take.
_ESCAPED = 3
_MULTIPART, _URLENCODED = b"multipart/form-data", b"application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class FormLimits:
    """Files and other fields of a form, and bytes of a field that is no file."""

    files: int
    fields: int
    field_bytes: int


def is_form(request: Request) -> bool:
    return _type(request)[0] in (_MULTIPART, _URLENCODED)


async def read_form(request: Request, limits: FormLimits) -> FormData:
    """The caller closes it. Raises InvalidRequest."""
    kind, options = _type(request)
    try:
        async with aclosing(request.stream()) as stream:
            if kind == _URLENCODED:
                return await _urlencoded(stream, limits)
            parser = MultiPartParser(
                _headers(options),
                stream,
                max_files=limits.files,
                max_fields=limits.fields,
                max_part_size=limits.field_bytes,
            )
            return await parser.parse()
    except MultiPartException as error:
        raise InvalidRequest(f"The form can't be read: {error.message}") from None


async def _urlencoded(stream: AsyncIterator[bytes], limits: FormLimits) -> FormData:
    data, separators = bytearray(), 0
    async for chunk in stream:
        data += chunk
        separators += chunk.count(b"&")
        if separators >= limits.fields:
            raise MultiPartException(f"Too many fields. Maximum number of fields is {limits.fields}.")
        if len(data) - data.rfind(b"&") > _ESCAPED * limits.field_bytes:
            raise MultiPartException(f"Field exceeded maximum size of {limits.field_bytes // 1024}KB.")
    text = data.decode(errors="replace")
    fields: list[tuple[str, str | UploadFile]] = list(
        await asyncio.to_thread(parse_qsl, text, keep_blank_values=True)
    )
    return FormData(fields)


def _type(request: Request) -> tuple[bytes, dict[bytes, bytes]]:
    return parse_options_header(request.headers.get("content-type", ""))


def _headers(options: dict[bytes, bytes]) -> Headers:
    """What the parser is told: a charset that a client names could be any of Python's codecs."""
    boundary = options.get(b"boundary", b"")
    if not boundary or b'"' in boundary or b"\\" in boundary:
        raise InvalidRequest("The form can't be read: its Content-Type has no usable boundary.")
    return Headers(raw=[(b"content-type", _MULTIPART + b'; boundary="' + boundary + b'"')])
