"""The events of one stream: one block after the other, each begun, filled and ended."""

from typing import cast

import orjson

from api.anthropic.dialect import ANTHROPIC
from api.anthropic.messages.answer import (
    AnswerBlock,
    AnthropicMessage,
    BlockDelta,
    BlockStart,
    BlockStop,
    MessageDelta,
    MessageStart,
    SignatureDelta,
)
from api.anthropic.messages.render import MessageMeta, delta_usage, stop_reason, usage
from api.dispatch.progress import JobProgress
from api.dispatch.sent_answer import AnswerPiece
from api.dispatch.text_stream import TextFrames
from api.http.answers.sse import named_frame
from api.inputs.opaque import sealed
from jobs.errors import MlxqError
from jobs.results import TextResult, TextUsage, TranscriptionResult

_PING = named_frame("ping", {"type": "ping"})
_STOP = named_frame("message_stop", {"type": "message_stop"})
_NOTHING_USED = TextUsage(prompt_tokens=0, completion_tokens=0, cached_tokens=0)
#: Of a delta of text, all but its index and its text.
_TEXT = (
    b"event: content_block_delta\n"
    b'data: {"type":"content_block_delta","index":%d,"delta":{"type":"text_delta","text":'
)
_END = b"}}\n\n"


class MessageFrames(TextFrames):
    """`_open` is the block that is being filled: its kind, and of a call its number."""

    def __init__(self, job_id: str, meta: MessageMeta) -> None:
        super().__init__()
        self._id = job_id
        self._meta = meta
        self._index = -1
        self._open: tuple[str, int] | None = None
        self._thoughts: list[str] = []

    def begin(self) -> bytes:
        message: AnthropicMessage = {
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "model": cast(str, self._meta.model),
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage(_NOTHING_USED, self._meta),
        }
        start: MessageStart = {"type": "message_start", "message": message}
        return named_frame("message_start", start) + _PING

    def alive(self, progress: JobProgress) -> bytes:
        return _PING

    def piece(self, piece: AnswerPiece) -> bytes:
        if not self._meta.max_tokens or (piece.field == "reasoning" and not self._meta.thoughts):
            return b""
        if piece.call is not None:
            begun = self._enter(("tool_use", piece.call.index), _call(piece))
            return begun + self._input(piece.text)
        if piece.field == "reasoning":
            begun = self._enter(("thinking", 0), {"type": "thinking", "thinking": "", "signature": ""})
            self._thoughts.append(piece.text)
            return begun + (self._thought(piece.text) if self._meta.shown else b"")
        begun = self._enter(("text", 0), {"type": "text", "text": "", "citations": None})
        return begun + (_TEXT % self._index + orjson.dumps(piece.text) + _END if piece.text else b"")

    def finish(self, index: int, reason: str) -> bytes:
        return self._leave()

    def close(self, result: TextResult | TranscriptionResult) -> bytes:
        assert isinstance(result, TextResult)
        choice = result.choices[0]
        end: MessageDelta = {
            "type": "message_delta",
            "delta": {
                "stop_reason": stop_reason(choice, result.usage, self._meta),
                "stop_sequence": choice.stop,
            },
            "usage": delta_usage(result.usage, self._meta),
        }
        return named_frame("message_delta", end) + _STOP

    def failed(self, error: MlxqError) -> bytes:
        return ANTHROPIC.error_frame(error, self._id)

    def _enter(self, block: tuple[str, int], shown: AnswerBlock) -> bytes:
        """Begin a block, unless it is the open one."""
        if block == self._open:
            return b""
        left = self._leave()
        self._open = block
        self._index += 1
        start: BlockStart = {"type": "content_block_start", "index": self._index, "content_block": shown}
        return left + named_frame("content_block_start", start)

    def _leave(self) -> bytes:
        """End the open block. Thoughts are signed at their end."""
        if self._open is None:
            return b""
        signed = b""
        if self._open[0] == "thinking":
            signature: SignatureDelta = {
                "type": "signature_delta",
                "signature": sealed("".join(self._thoughts)),
            }
            signed = self._delta({"type": "content_block_delta", "index": self._index, "delta": signature})
            self._thoughts.clear()
        self._open = None
        stop: BlockStop = {"type": "content_block_stop", "index": self._index}
        return signed + named_frame("content_block_stop", stop)

    def _thought(self, text: str) -> bytes:
        return self._delta(
            {
                "type": "content_block_delta",
                "index": self._index,
                "delta": {"type": "thinking_delta", "thinking": text},
            }
        )

    def _input(self, json: str) -> bytes:
        if not json:
            return b""
        return self._delta(
            {
                "type": "content_block_delta",
                "index": self._index,
                "delta": {"type": "input_json_delta", "partial_json": json},
            }
        )

    @staticmethod
    def _delta(delta: BlockDelta) -> bytes:
        return named_frame("content_block_delta", delta)


def _call(piece: AnswerPiece) -> AnswerBlock:
    call = piece.call
    assert call is not None
    return {"type": "tool_use", "id": call.id or "", "name": call.name or "", "input": {}}
