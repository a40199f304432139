"""The body of a new batch: its requests are written into a file as they are, and checked when their turn comes.

A body may be large: of its requests only the names are read.
"""

import re
from collections.abc import AsyncIterator, Iterator

import msgspec
import orjson

from jobs.errors import InvalidRequest

#: The address that its requests would be sent to.
ENDPOINT = "/v1/messages"
_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
#: Lines that are written in one go.
_TOGETHER = 200
#: Bytes of a line around the params, at most.
_AROUND = 200
_FIELD = re.compile(r"\$\.(requests(?:\[(?:\d+|\.\.\.)\])?(?:\.\w+)?)", re.ASCII)


class _Request(msgspec.Struct, frozen=True, gc=False):
    custom_id: str
    params: msgspec.Raw


class _Batch(msgspec.Struct, frozen=True):
    requests: list[_Request]


_BATCH = msgspec.json.Decoder(_Batch)


class BatchInput:
    """Raises InvalidRequest for a body that is no batch, or has more than `most` requests or one that is too long."""

    def __init__(self, raw: bytes, most: int, longest: int) -> None:
        # What holds far more of them is not read: others wait while millions are made.
        if raw.count(b'"params"') > 2 * most:
            raise _wrong_number(most)
        try:
            self._requests = _BATCH.decode(raw).requests
        except msgspec.ValidationError as error:
            field = _FIELD.search(str(error))
            raise InvalidRequest(f"The body is no batch: {error}.", param=field and field[1]) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidRequest(f"The body is not valid JSON: {error}.", code="invalid_json") from None
        if not 1 <= len(self._requests) <= most:
            raise _wrong_number(most)
        self._check(longest - _AROUND)

    def __len__(self) -> int:
        return len(self._requests)

    def _check(self, longest: int) -> None:
        seen = set[str]()
        for place, request in enumerate(self._requests):
            if not _ID.fullmatch(request.custom_id):
                raise InvalidRequest(
                    "A custom_id has 1 to 64 letters, digits, '_' and '-'.",
                    param=f"requests.{place}.custom_id",
                )
            if request.custom_id in seen:
                raise InvalidRequest(
                    f"The custom_id '{request.custom_id}' is that of an earlier request.",
                    param=f"requests.{place}.custom_id",
                )
            if not bytes(request.params).startswith(b"{"):
                raise InvalidRequest("The params must be an object.", param=f"requests.{place}.params")
            if len(bytes(request.params)) > longest:
                raise InvalidRequest(
                    "The params are larger than a request may be (MAX_BODY_MB).",
                    param=f"requests.{place}.params",
                )
            seen.add(request.custom_id)

    async def lines(self) -> AsyncIterator[bytes]:
        """The requests as JSON Lines."""
        lines: list[bytes] = []
        for line in self._lines():
            lines.append(line)
            if len(lines) == _TOGETHER:
                yield b"".join(lines)
                lines.clear()
        yield b"".join(lines)

    def _lines(self) -> Iterator[bytes]:
        for request in self._requests:
            # Within a string of JSON there are no line feeds.
            body = bytes(request.params).replace(b"\n", b" ").replace(b"\r", b" ")
            name = orjson.dumps(request.custom_id)
            yield b'{"custom_id":%b,"method":"POST","url":"%b","body":%b}\n' % (
                name,
                ENDPOINT.encode(),
                body,
            )


def _wrong_number(most: int) -> InvalidRequest:
    return InvalidRequest(f"A batch has 1 to {most} requests.", param="requests")
