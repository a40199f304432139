"""How OpenAI's streams of text end and fail, and what the chunks of chats and completions have in common."""

from collections.abc import Mapping

import orjson

from api.dispatch.text_stream import TextFrames
from api.openai.dialect import DONE, OPENAI
from api.openai.usage import usage
from jobs.errors import MlxqError
from jobs.results import TextResult, TranscriptionResult


class OpenAiText(TextFrames):
    """Ends with `[DONE]`."""

    def close(self, result: TextResult | TranscriptionResult) -> bytes:
        return DONE

    def failed(self, error: MlxqError) -> bytes:
        return OPENAI.error_frame(error)


class OpenAiChunks(OpenAiText):
    """Chunks with choices. What all of them have is serialised once."""

    def __init__(self, head: Mapping[str, object], *, include_usage: bool) -> None:
        super().__init__()
        self._include_usage = include_usage
        self._head = b"data: " + orjson.dumps(head)[:-1]
        # With include_usage OpenAI puts `usage` on every chunk, null on all but the last.
        self._tail = (b',"usage":null' if include_usage else b"") + b"}\n\n"

    def chunk(self, choice: Mapping[str, object]) -> bytes:
        return self._head + b',"choices":' + orjson.dumps([choice]) + self._tail

    def close(self, result: TextResult | TranscriptionResult) -> bytes:
        end = super().close(result)
        if not self._include_usage or not isinstance(result, TextResult):
            return end
        return self._head + b',"choices":[],"usage":' + orjson.dumps(usage(result.usage)) + b"}\n\n" + end
