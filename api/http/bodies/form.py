"""Reads forms: multipart and urlencoded, within bounds, and as UTF-8 whatever their header says.

It knows the two formats and how clients write names, lists and files in them; it does not know what the fields mean.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import orjson
from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from api.http.bodies.body import Body, Model, known_fields, validate, withhold
from jobs.errors import InvalidRequest

#: Bytes that one byte of an urlencoded field may take.
_ESCAPED = 3
_MULTIPART, _URLENCODED = b"multipart/form-data", b"application/x-www-form-urlencoded"


#: An item of a list, as `name[]` or `name[0]`.
_ITEM = re.compile(r"(.+?)\[([0-9]{0,4})\]")
#: A member of an object, as `name[member]`.
_MEMBER = re.compile(r"([^\[\]]+)\[([A-Za-z_]\w{0,63})\]", re.ASCII)
#: How a file's name is written that is not in ASCII (RFC 5987). The parser does not know it.
_LONG_NAME = re.compile(rb";\s*filename\*\s*=", re.IGNORECASE)
#: Bytes by which a part without a file's name is told to be text, and what text has none of.
_BEGINNING = 512
_NO_TEXT = re.compile(rb"[^\t\n\r\x20-\x7e]")

Value = UploadFile | str


@dataclass(frozen=True, slots=True)
class FormLimits:
    """Files and other fields of a form, and bytes of a field that is no file. `holders`: fields that hold files."""

    files: int
    fields: int
    field_bytes: int
    holders: tuple[str, ...]


class Form:
    """A form that was read. Its fields have their plain names, and those without content are left out."""

    def __init__(self, data: FormData, values: dict[str, list[Value]], holders: tuple[str, ...]) -> None:
        self._data = data
        self._values = values
        self._holders = holders

    def files(self, *names: str) -> list[Value]:
        """The values of these fields, in order: files, or texts in the place of files."""
        return [value for name, values in self._values.items() if name in names for value in values]

    def body(self, model: type[Model], withheld: frozenset[str], lists: tuple[str, ...] = ()) -> Body[Model]:
        """The fields beside the files; of one that is no list the last one counts. Raises InvalidRequest."""
        said: dict[str, object] = {}
        for name, values in self._values.items():
            if texts := [value for value in values if isinstance(value, str)]:
                member = _MEMBER.fullmatch(name)
                if member is not None and isinstance(holder := said.setdefault(member[1], {}), dict):
                    holder[member[2]] = texts[-1]
                else:
                    said[name] = _list(texts) if name in lists else texts[-1]
        raw = orjson.dumps(said, option=orjson.OPT_SORT_KEYS)
        # A text in the place of a file was read as one.
        ignored = said.keys() - known_fields(model) - set(self._holders) | withhold(said, withheld)
        return Body(raw, validate(model, said, strict=False), tuple(ignored))

    async def close(self) -> None:
        await self._data.close()


async def is_form(request: Request) -> bool:
    kind = _type(request)[0]
    if kind == _URLENCODED:
        # `curl -d` says so of JSON, too.
        return not (await request.body()).lstrip().startswith(b"{")
    return kind == _MULTIPART


async def read_form(request: Request, limits: FormLimits) -> Form:
    """The caller closes it. Raises InvalidRequest."""
    data = await _read(request, limits)
    try:
        return Form(data, await _by_name(data, limits.holders), limits.holders)
    except BaseException:
        await data.close()
        raise


async def _by_name(data: FormData, holders: tuple[str, ...]) -> dict[str, list[Value]]:
    found: dict[str, list[tuple[int, Value]]] = {}
    for place, (key, value) in enumerate(data.multi_items()):
        name, number = _plain_name(key)
        content = await _content(value) if isinstance(value, UploadFile) and name in holders else value
        if content not in ("", None):
            found.setdefault(name, []).append((place if number is None else number, content))
    return {name: [value for _, value in sorted(values, key=_number)] for name, values in found.items()}


def _list(texts: list[str]) -> Any:
    """A list may also be one text in JSON; what is none of it is left for the field to refuse."""
    if len(texts) > 1 or not texts[0].lstrip().startswith("["):
        return texts
    try:
        return orjson.loads(texts[0])
    except orjson.JSONDecodeError:
        return texts[0]


def _number(item: tuple[int, Value]) -> int:
    return item[0]


def _plain_name(key: str) -> tuple[str, int | None]:
    """The name without the marks of a list, and the place in that list where it is said."""
    item = _ITEM.fullmatch(key)
    if item is None:
        return key, None
    return item[1], int(item[2]) if item[2] else None


async def _content(file: UploadFile) -> Value | None:
    """The file, or the text in its place; None for the field of a web page without a chosen file."""
    if file.filename:
        return file
    beginning = await file.read(_BEGINNING)
    await file.seek(0)
    if not beginning:
        return None
    if _NO_TEXT.search(beginning):
        return file
    return (await file.read()).decode("ascii", "replace").strip()


class _Parser(MultiPartParser):
    """Starlette's, which takes a part for a file only if it has a plain `filename`, and skips one without an end."""

    holders: tuple[str, ...] = ()
    #: whether a part has begun and not ended
    within = False

    async def parse(self) -> FormData:
        data = await super().parse()
        if self.within:
            for file in self._files_to_close_on_error:
                file.close()
            raise MultiPartException("It is cut off: its last part has no boundary behind it.")
        return data

    def on_part_begin(self) -> None:
        self.within = True
        super().on_part_begin()

    def on_part_end(self) -> None:
        self.within = False
        super().on_part_end()

    def on_headers_finished(self) -> None:
        header = self._current_part.content_disposition or b""
        options = parse_options_header(header)[1]
        name = _plain_name(options.get(b"name", b"").decode(errors="replace"))[0]
        if b"filename" not in options and (_LONG_NAME.search(header) or name in self.holders):
            named = b"file" if _LONG_NAME.search(header) else b""
            self._current_part.content_disposition = header + b'; filename="' + named + b'"'
        super().on_headers_finished()


async def _read(request: Request, limits: FormLimits) -> FormData:
    kind, options = _type(request)
    try:
        async with aclosing(request.stream()) as stream:
            if kind == _URLENCODED:
                return await _urlencoded(stream, limits)
            parser = _Parser(
                _headers(options),
                stream,
                max_files=limits.files,
                max_fields=limits.fields,
                max_part_size=limits.field_bytes,
            )
            parser.holders = limits.holders
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
    """The header for the parser, without a charset: that could name any of Python's codecs."""
    boundary = options.get(b"boundary", b"")
    if not boundary or b'"' in boundary or b"\\" in boundary:
        raise InvalidRequest("The form can't be read: its Content-Type has no usable boundary.")
    return Headers(raw=[(b"content-type", _MULTIPART + b'; boundary="' + boundary + b'"')])
