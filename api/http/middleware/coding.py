"""Compressed request bodies (RFC 9110, 8.4): decoded piece by piece, so that their size is bounded as they grow."""

import asyncio
import zlib
from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.answers.errors import error_response
from api.http.middleware.body_limit import BodyLimit
from jobs.errors import InvalidRequest, MlxqError

#: Accepted codings, in the order of `Accept-Encoding`.
CODINGS = ("gzip", "deflate")
_NAMES = {"gzip": "gzip", "x-gzip": "gzip", "deflate": "deflate"}
#: Decoded bytes of a piece, and encoded ones that the event loop decodes itself.
_PIECE, _LITTLE = 1 << 18, 1 << 12
#: Encoded bytes that the decoder gets at a time: it copies what it leaves, and may have to begin anew every 20 bytes.
_BITE = 1 << 12
#: Window bits for zlib: a gzip header, a zlib header, none.
_GZIP, _ZLIB, _RAW = 31, 15, -15


class UnsupportedCoding(MlxqError):
    """The coding of the body is not supported."""

    status = 415
    code = "unsupported_content_encoding"
    type = "invalid_request_error"


class Decoding:
    """Decodes the body for the application. `BodyLimit` bounds the decoded body again."""

    def __init__(self, app: ASGIApp, limit: int, larger: Mapping[str, int]) -> None:
        self.app = app
        self.decoded = BodyLimit(app, limit, larger)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        named = ",".join(Headers(scope=scope).getlist("content-encoding")).lower().split(",")
        codings = [name for each in named if (name := each.strip()) not in ("", "identity")]
        if not codings:
            await self.app(scope, receive, send)
            return
        if len(codings) > 1 or codings[0] not in _NAMES:
            taken = " and ".join(f"'{name}'" for name in CODINGS)
            error = UnsupportedCoding(
                f"The body is in the coding '{', '.join(codings)[:64]}'; taken are {taken}, or none.",
                param="Content-Encoding",
            )
            # RFC 7694: this names the supported codings.
            await error_response(error, {"accept-encoding": ", ".join(CODINGS)})(scope, receive, send)
            return
        plain = [pair for pair in scope["headers"] if pair[0] not in (b"content-encoding", b"content-length")]
        body = _Body(receive, _NAMES[codings[0]])
        await self.decoded({**scope, "headers": plain}, body.receive, send)


class _Body:
    """The body of one request."""

    def __init__(self, receive: Receive, coding: str) -> None:
        self._receive = receive
        self._coding = coding
        self._decoder: zlib._Decompress | None = None
        self._encoded = b""
        #: how much of it was decoded
        self._at = 0
        #: whether the decoder may have more than it has given, whether more is to come, whether all has been given
        self._holds, self._more, self._ended = False, True, False

    async def receive(self) -> Message:
        """The next piece, or what the connection says after the last one."""
        if self._ended:
            return await self._receive()
        while True:
            if self._more and not self._encoded and not self._holds:
                message = await self._receive()
                if message["type"] != "http.request":
                    return message
                self._encoded = message.get("body", b"")
                self._more = message.get("more_body", False)
            little = len(self._encoded) <= _LITTLE
            piece = self._decode() if little else await asyncio.to_thread(self._decode)
            self._ended = not (self._more or self._encoded or self._holds)
            if self._ended and (self._decoder is None or not self._decoder.eof):
                raise self._broken("it is cut off")
            if piece or self._ended:
                return {"type": "http.request", "body": piece, "more_body": not self._ended}

    def _decode(self) -> bytes:
        """At most two pieces of the available data. Raises InvalidRequest."""
        found = b""
        while len(found) < _PIECE and (self._encoded or self._holds):
            if self._decoder is None or (self._decoder.eof and self._coding == "gzip"):
                # A file in gzip may have several parts.
                self._decoder = zlib.decompressobj(self._window())
            bite = self._encoded[self._at : self._at + _BITE]
            try:
                piece = self._decoder.decompress(bite, _PIECE)
            except zlib.error:
                raise self._broken("it is not valid") from None
            self._at += len(bite) - len(self._decoder.unconsumed_tail or self._decoder.unused_data)
            if self._at == len(self._encoded):
                self._encoded, self._at = b"", 0
            self._holds = len(piece) == _PIECE and not self._decoder.eof
            if self._encoded and self._decoder.eof and self._coding != "gzip":
                raise self._broken("something follows it")
            found += piece
        return found

    def _window(self) -> int:
        """`deflate` means zlib's format (RFC 9110, 8.4.1.2); some clients leave out its header."""
        if self._coding == "gzip":
            return _GZIP
        first = self._encoded[self._at]
        return _ZLIB if first & 0x0F == 8 and first >> 4 <= 7 else _RAW

    def _broken(self, reason: str) -> InvalidRequest:
        return InvalidRequest(
            f"The body can't be decoded by its Content-Encoding '{self._coding}': {reason}.",
            param="Content-Encoding",
            code="invalid_content_encoding",
        )
