"""The text of a recording as it is understood: OpenAI's `transcript.text.delta` and `transcript.text.done`."""

import msgspec

from api.dispatch.sent_answer import AnswerPiece
from api.http.answers.sse import data_frame
from api.openai.text_frames import OpenAiText
from jobs.results import TranscriptionResult


class TranscriptFrames(OpenAiText):
    """A recording has one text, and no usage in tokens."""

    def __init__(self) -> None:
        super().__init__()
        self._text: list[str] = []

    def piece(self, piece: AnswerPiece) -> bytes:
        self._text.append(piece.text)
        return data_frame({"type": "transcript.text.delta", "delta": piece.text})

    def finish(self, index: int, reason: str) -> bytes:
        return data_frame({"type": "transcript.text.done", "text": "".join(self._text)})

    def result(self, data: msgspec.Raw) -> TranscriptionResult:
        return msgspec.json.decode(data, type=TranscriptionResult)
