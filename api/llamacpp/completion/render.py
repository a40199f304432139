"""What `/completion` answers, whole and as the frames of a stream."""

from typing import Literal, NotRequired, cast

import orjson
from typing_extensions import TypedDict

from api.dispatch.renderers import Answered
from api.dispatch.sent_answer import AnswerPiece
from api.dispatch.text_stream import TextFrames
from api.http.answers.sse import data_frame
from api.llamacpp.dialect import LLAMACPP
from jobs.errors import MlxqError
from jobs.meta import Meta
from jobs.results import TextResult, TranscriptionResult


class LlamaTimings(TypedDict):
    """Of the tokens that were read (`prompt`), those that were cached, and those that were written."""

    cache_n: int
    prompt_n: int
    prompt_ms: float
    prompt_per_token_ms: float
    prompt_per_second: float
    predicted_n: int
    predicted_ms: float
    predicted_per_token_ms: float
    predicted_per_second: float


class LlamaCompletion(TypedDict):
    """The rest comes with the end, where `stop` is true."""

    index: int
    content: str
    tokens: list[int]
    stop: bool
    id_slot: int
    model: NotRequired[str]
    tokens_predicted: NotRequired[int]
    tokens_evaluated: NotRequired[int]
    tokens_cached: NotRequired[int]
    stop_type: NotRequired[Literal["eos", "limit", "word"]]
    stopping_word: NotRequired[str]
    truncated: NotRequired[bool]
    timings: NotRequired[LlamaTimings]


def llama_completion(job: Answered[Meta, TextResult]) -> LlamaCompletion:
    return _ended(job.meta, job.result, job.result.choices[0].text)


class LlamaFrames(TextFrames):
    """Server-sent events; the last one has `stop`, and no `[DONE]` follows."""

    def __init__(self, meta: Meta) -> None:
        super().__init__()
        self._meta = meta

    def piece(self, piece: AnswerPiece) -> bytes:
        text = orjson.dumps(piece.text)
        return b'data: {"index":0,"content":%b,"tokens":[],"stop":false,"id_slot":0}\n\n' % text

    def finish(self, index: int, reason: str) -> bytes:
        return b""

    def close(self, result: TextResult | TranscriptionResult) -> bytes:
        assert isinstance(result, TextResult)
        return data_frame(_ended(self._meta, result, ""))

    def failed(self, error: MlxqError) -> bytes:
        return LLAMACPP.error_frame(error)


def _ended(meta: Meta, result: TextResult, text: str) -> LlamaCompletion:
    choice, usage = result.choices[0], result.usage
    kind: Literal["eos", "limit", "word"] = "eos" if choice.stop is None else "word"
    return {
        "index": 0,
        "content": text,
        "tokens": [],
        "stop": True,
        "id_slot": 0,
        "model": cast(str, meta.model),
        "tokens_predicted": usage.completion_tokens,
        "tokens_evaluated": usage.prompt_tokens,
        "tokens_cached": usage.cached_tokens,
        "stop_type": "limit" if choice.finish_reason == "length" else kind,
        "stopping_word": choice.stop or "",
        "truncated": False,
        "timings": _timings(result),
    }


def _timings(result: TextResult) -> LlamaTimings:
    read, written = result.usage.prompt_tokens - result.usage.cached_tokens, result.usage.completion_tokens
    reading, writing = result.timings.prompt_seconds, result.timings.generation_seconds
    return {
        "cache_n": result.usage.cached_tokens,
        "prompt_n": read,
        "prompt_ms": 1000 * reading,
        "prompt_per_token_ms": _ratio(1000 * reading, read),
        "prompt_per_second": _ratio(read, reading),
        "predicted_n": written,
        "predicted_ms": 1000 * writing,
        "predicted_per_token_ms": _ratio(1000 * writing, written),
        "predicted_per_second": _ratio(written, writing),
    }


def _ratio(amount: float, by: float) -> float:
    return amount / by if by > 0 else 0.0
