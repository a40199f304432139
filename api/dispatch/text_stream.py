"""Streams text: from the deltas of a job to the pieces of a dialect, each text once."""

from abc import abstractmethod
from collections.abc import AsyncIterator

import msgspec

from api.dispatch.call import result_of
from api.dispatch.frames import Frames
from api.dispatch.sent_answer import AnswerPiece, SentAnswer
from jobs.events import Delta, Entry, Reset
from jobs.results import Choice, TextResult, TranscriptionResult


class TextFrames(Frames):
    """The frames of a stream of text. A dialect says how a piece, the end of a choice and the last frames look."""

    def __init__(self) -> None:
        self._sent = SentAnswer()

    @abstractmethod
    def piece(self, piece: AnswerPiece) -> bytes:
        """Something new of a choice."""

    @abstractmethod
    def finish(self, index: int, reason: str) -> bytes:
        """The end of a choice."""

    @abstractmethod
    def close(self, result: TextResult | TranscriptionResult) -> bytes:
        """What comes after the last choice."""

    async def of(self, entry: Entry) -> bytes:
        match entry.event:
            case Delta() as delta:
                piece = self._sent.add(delta)
                return b"" if piece is None else self.piece(piece)
            case Reset():
                self._sent.reset()
        return b""

    async def end(self, entry: Entry) -> AsyncIterator[bytes]:
        result = self.result(result_of(entry.event))
        for choice in result.choices if isinstance(result, TextResult) else [_only(result)]:
            for piece in self._sent.rest(choice):
                yield self.piece(piece)
            yield self.finish(choice.index, choice.finish_reason)
        yield self.close(result)

    def result(self, data: msgspec.Raw) -> TextResult | TranscriptionResult:
        """The job's result from its JSON."""
        return msgspec.json.decode(data, type=TextResult)


def _only(result: TranscriptionResult) -> Choice:
    """A recording's one text as a choice."""
    return Choice(index=0, text=result.text, finish_reason="stop")
