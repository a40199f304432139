"""Uvicorn's HTTP/1.1 protocol, with a bound on heads and with errors in OpenAI's shape."""

import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from api.errors import error_body
from jobs.errors import InvalidRequest

#: Bytes that a request line and its headers may have together.
_LONGEST_HEAD = 64 * 1024


class Protocol(HttpToolsProtocol):
    """Below the application: what the parser refuses never becomes a request."""

    _head = 0
    _in_head = False

    def on_message_begin(self) -> None:
        self._head, self._in_head = 0, True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        # What came with the first line may belong to the request before: it is not counted.
        counts = self._in_head
        super().data_received(data)
        if counts and self._in_head and not self.transport.is_closing():
            self._head += len(data)
            if self._head > _LONGEST_HEAD:
                self.send_400_response("The request's headers are too long.")

    def send_400_response(self, msg: str) -> None:
        body = orjson.dumps(error_body(InvalidRequest(msg)))
        self.transport.write(
            b"".join(
                (
                    STATUS_LINE[400],
                    b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
                    % len(body),
                    body,
                )
            )
        )
        self.transport.close()

    def _unsupported_upgrade_warning(self) -> None:
        """A client that asks for a WebSocket gets a plain answer; the log need not know."""
