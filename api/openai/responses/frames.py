"""The stream of a response: numbered events, in OpenAI's order.

The frames depend on nothing but the job's id, what is noted with it and its events: whoever reads the stream again
gets the same bytes. Keep-alives are no part of that: they have the number of the event before them.
"""

from collections.abc import AsyncIterator, Mapping

import msgspec
import orjson

from api.dispatch.frames import EVENT_EVERY
from api.dispatch.progress import JobProgress
from api.dispatch.sent_answer import AnswerPiece
from api.dispatch.text_stream import TextFrames
from api.http.answers.sse import comment
from api.openai.responses.answer import Response, ResponseOutputItem, Status
from api.openai.responses.open_items import OpenCall, OpenItem, OpenMessage, OpenReasoning
from api.openai.responses.output import has_message
from api.openai.responses.render import Rendered, ResponseMeta
from jobs.errors import MlxqError
from jobs.events import Entry, Started
from jobs.results import TextResult, TranscriptionResult


class ResponseFrames(TextFrames):
    """`after`: the last event that the client has; None for a client that begins."""

    def __init__(self, response_id: str, meta: ResponseMeta, *, after: int | None = None) -> None:
        super().__init__()
        self._rendered = Rendered(response_id, meta)
        self._maker = meta.maker(response_id)
        self._after = -1 if after is None else after
        #: whether the client has a part of the stream, so that an error has to be an event
        self._begun = after is not None
        self._waits = meta.background
        # `begin` writes the first two, whenever it is called.
        self._number = 2
        self._done: list[ResponseOutputItem] = []
        self._open: OpenItem | None = None
        self._ended_at: int | None = None
        self._quiet = 0

    def begin(self) -> bytes:
        self._begun = True
        status: Status = "queued" if self._rendered.meta.background else "in_progress"
        response = self._rendered.response(status, [])
        return self._numbered(0, "response.created", {"response": response}) + self._numbered(
            1, f"response.{status}", {"response": response}
        )

    async def of(self, entry: Entry) -> bytes:
        self._quiet = 0
        started = b""
        if self._waits and isinstance(entry.event, Started):
            self._waits = False
            response = self._rendered.response("in_progress", [])
            started = self.event("response.in_progress", response=response)
        return started + await super().of(entry)

    async def end(self, entry: Entry) -> AsyncIterator[bytes]:
        self._ended_at = int(entry.id.partition("-")[0]) // 1000
        try:
            async for frame in super().end(entry):
                yield frame
        except MlxqError as error:
            if not self._begun and self._number == 2:
                raise
            output = self._done if self._open is None else [*self._done, self._open.item("incomplete")]
            yield self.event("response.failed", response=self._rendered.failed(error, output))

    def alive(self, progress: JobProgress) -> bytes:
        self._quiet += 1
        # Codex does not count comments.
        if self._quiet % EVENT_EVERY:
            return comment(str(progress))
        response = self._rendered.response("queued" if self._waits else "in_progress", self._done)
        return _frame("response.in_progress", self._number - 1, {"response": response})

    def failed(self, error: MlxqError) -> bytes:
        """The stream breaks off; what becomes of the response is another matter."""
        data = {"code": error.code, "message": error.message, "param": error.param}
        return _frame("error", self._number, data)

    def piece(self, piece: AnswerPiece) -> bytes:
        opened = b""
        item = self._open
        if item is None or not item.takes(piece):
            opened = self._close("completed")
            item = self._open = self._item(piece)
            opened += item.begin()
        return opened + item.add(piece)

    def finish(self, index: int, reason: str) -> bytes:
        return self._close("incomplete" if reason == "length" else "completed")

    def close(self, result: TextResult | TranscriptionResult) -> bytes:
        assert isinstance(result, TextResult)
        choice = result.choices[0]
        frames = b""
        if not any(item["type"] == "message" for item in self._done) and has_message(choice):
            self._open = OpenMessage(self, self._maker, len(self._done))
            frames = self._open.begin() + self.finish(0, choice.finish_reason)
        response = self._final(result, choice.finish_reason)
        return frames + self.event(f"response.{response['status']}", response=response)

    def _final(self, result: TextResult, reason: str) -> Response:
        incomplete = reason == "length"
        return self._rendered.response(
            "incomplete" if incomplete else "completed",
            self._done,
            usage=result.usage,
            completed_at=None if incomplete else self._ended_at,
        )

    def _item(self, piece: AnswerPiece) -> OpenItem:
        place = len(self._done)
        if piece.call is not None:
            return OpenCall(self, self._maker, place, piece.call)
        if piece.field == "reasoning":
            return OpenReasoning(self, self._maker, place)
        return OpenMessage(self, self._maker, place)

    def _close(self, status: str) -> bytes:
        item, self._open = self._open, None
        if item is None:
            return b""
        whole = item.item("incomplete" if status == "incomplete" else "completed")
        self._done.append(whole)
        return item.end(whole)

    def event(self, name: str, /, **data: object) -> bytes:
        """The next event."""
        number = self.take_number()
        return b"" if number <= self._after else _frame(name, number, data)

    def take_number(self) -> int:
        number = self._number
        self._number += 1
        return number

    def known(self, number: int) -> bool:
        """Whether the client has this event."""
        return number <= self._after

    def _numbered(self, number: int, name: str, data: Mapping[str, object]) -> bytes:
        return b"" if number <= self._after else _frame(name, number, data)

    def result(self, data: msgspec.Raw) -> TextResult:
        return msgspec.json.decode(data, type=TextResult)


def _frame(name: str, number: int, data: Mapping[str, object]) -> bytes:
    body = orjson.dumps({"type": name, **data, "sequence_number": number})
    return b"event: %s\ndata: %s\n\n" % (name.encode(), body)
