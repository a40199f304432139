"""What LM Studio tells beside OpenAI's fields of an answer: what made it, and how fast."""

import msgspec
import orjson
from typing_extensions import TypedDict

from api.dispatch.renderers import Answered
from api.lmstudio.text.answer import (
    LmStudioChat,
    LmStudioCompletion,
    LmStudioModelInfo,
    LmStudioRuntime,
    LmStudioStats,
    StopReason,
)
from api.models.weights import quantization
from api.openai.chat.render import ChatFrames, ChatMeta, chat_completion
from api.openai.completions.render import CompletionFrames, CompletionMeta, text_completion
from api.openai.usage import usage
from config import VERSION
from jobs.results import TextResult, TranscriptionResult
from mlxq.catalog import ModelRef


class MadeBy(msgspec.Struct, frozen=True):
    """The model of an answer."""

    arch: str
    quant: str
    context_length: int

    @classmethod
    def of(cls, ref: ModelRef) -> "MadeBy":
        card = ref.card
        context = card.context_length if card else None
        return cls(card.model_type if card else "", quantization(card), context or 0)


class LmStudioChatMeta(ChatMeta, frozen=True, kw_only=True):
    made_by: MadeBy


class LmStudioCompletionMeta(CompletionMeta, frozen=True, kw_only=True):
    made_by: MadeBy


class _More(TypedDict):
    stats: LmStudioStats
    model_info: LmStudioModelInfo
    runtime: LmStudioRuntime


def lmstudio_chat(job: Answered[LmStudioChatMeta, TextResult]) -> LmStudioChat:
    return {**chat_completion(job), **_more(job.meta.made_by, job.result)}


def lmstudio_completion(job: Answered[LmStudioCompletionMeta, TextResult]) -> LmStudioCompletion:
    return {**text_completion(job), **_more(job.meta.made_by, job.result)}


class _Ending:
    """The end of a stream: its last choice ends with what is told beside it.

    Zed takes a chunk without a choice for an error: there is one only where OpenAI's `include_usage` asks for it.
    """

    def __init__(self, made_by: MadeBy, choices: int, *, with_usage: bool) -> None:
        self._made_by, self._last, self._with_usage = made_by, choices - 1, with_usage
        self._result: TextResult | None = None

    def noted(self, result: TextResult | TranscriptionResult) -> TextResult | TranscriptionResult:
        assert isinstance(result, TextResult)
        self._result = result
        return result

    def end(self, index: int, chunk: bytes) -> bytes:
        if index != self._last or self._result is None:
            return chunk
        told = orjson.dumps(_more(self._made_by, self._result))[:-1]
        if self._with_usage:
            told += b',"usage":' + orjson.dumps(usage(self._result.usage))
        return chunk.removesuffix(b"}\n\n") + b"," + told[1:] + b"}\n\n"


class LmStudioChatFrames(ChatFrames):
    def __init__(self, job_id: str, meta: LmStudioChatMeta, *, choices: int) -> None:
        super().__init__(job_id, meta, choices=choices)
        self._ending = _Ending(meta.made_by, choices, with_usage=not meta.include_usage)

    def result(self, data: msgspec.Raw) -> TextResult | TranscriptionResult:
        return self._ending.noted(super().result(data))

    def finish(self, index: int, reason: str) -> bytes:
        return self._ending.end(index, super().finish(index, reason))


class LmStudioCompletionFrames(CompletionFrames):
    def __init__(self, job_id: str, meta: LmStudioCompletionMeta, *, choices: int) -> None:
        super().__init__(job_id, meta, choices=choices)
        self._ending = _Ending(meta.made_by, choices, with_usage=not meta.include_usage)

    def result(self, data: msgspec.Raw) -> TextResult | TranscriptionResult:
        return self._ending.noted(super().result(data))

    def finish(self, index: int, reason: str) -> bytes:
        return self._ending.end(index, super().finish(index, reason))


def _more(made_by: MadeBy, result: TextResult) -> _More:
    seconds, tokens = result.timings.generation_seconds, result.usage.completion_tokens
    return {
        "stats": {
            "tokens_per_second": tokens / seconds if seconds > 0 else 0.0,
            "time_to_first_token": result.timings.prompt_seconds,
            "generation_time": seconds,
            "stop_reason": _stop_reason(result, made_by.context_length),
        },
        "model_info": {
            "arch": made_by.arch,
            "quant": made_by.quant,
            "format": "mlx",
            "context_length": made_by.context_length,
        },
        "runtime": {"name": "mlxq", "version": VERSION, "supported_formats": ["mlx"]},
    }


def _stop_reason(result: TextResult, context_length: int) -> StopReason:
    """Of the first choice. Tokens are counted for all of them: which one filled the context is told of one only."""
    choice, used = result.choices[0], result.usage.prompt_tokens + result.usage.completion_tokens
    match choice.finish_reason:
        case "length" if len(result.choices) == 1 and 0 < context_length <= used:
            return "contextLengthReached"
        case "length":
            return "maxPredictedTokensReached"
        case "tool_calls":
            return "toolCalls"
        case _:
            return "eosFound" if choice.stop is None else "stopStringFound"
