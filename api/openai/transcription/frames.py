"""The text of a recording as it is understood: OpenAI's `transcript.text.delta` and `transcript.text.done`."""

from typing import Any

from api.dispatch.sent_answer import AnswerPiece
from api.http.sse import data_frame


class TranscriptFrames:
    """A recording has one text, and no usage in tokens."""

    def __init__(
        self, job_id: str, meta: dict[str, Any], *, include_usage: bool = False, choices: int = 1
    ) -> None:
        self._text: list[str] = []

    def begin(self) -> list[bytes]:
        return []

    def piece(self, piece: AnswerPiece) -> bytes:
        self._text.append(piece.text)
        return data_frame({"type": "transcript.text.delta", "delta": piece.text})

    def finish(self, index: int, reason: str) -> bytes:
        return data_frame({"type": "transcript.text.done", "text": "".join(self._text)})

    def usage(self, counts: dict[str, Any]) -> bytes:
        return b""
