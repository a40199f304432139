"""How OpenAI's streams of text end, and how they fail."""

from api.dispatch.text_stream import TextFrames
from api.openai.dialect import DONE, OPENAI
from jobs.errors import MlxqError
from jobs.results import TextResult, TranscriptionResult


class OpenAiText(TextFrames):
    """`usage` is the frame with the tokens that all of it took; b"" where nobody asks for it."""

    def usage(self, result: TextResult | TranscriptionResult) -> bytes:
        return b""

    def close(self, result: TextResult | TranscriptionResult) -> bytes:
        return self.usage(result) + DONE

    def failed(self, error: MlxqError) -> bytes:
        return OPENAI.error_frame(error)
