"""What chat and generate answer, whole and line by line."""

from typing import Any, Literal, cast

import orjson

from api.dispatch.progress import JobProgress
from api.dispatch.renderers import Answered
from api.dispatch.sent_answer import AnswerPiece
from api.dispatch.text_stream import TextFrames
from api.inputs.functions import arguments_object
from api.ollama.chat.answer import OllamaCall, OllamaChat, OllamaGenerated
from api.ollama.dialect import LINES, OLLAMA, durations, line, nanoseconds, now
from api.openai.chat.render import with_likely
from jobs.errors import MlxqError
from jobs.events import TokenLogprob
from jobs.meta import Meta
from jobs.results import Choice, TextResult, TranscriptionResult


class AskedMeta(Meta, frozen=True, kw_only=True):
    """`chat`: the answer is a message, not a text. `thoughts`: what was thought is part of it."""

    chat: bool = True
    thoughts: bool = True


def answer(job: Answered[AskedMeta, TextResult]) -> OllamaChat | OllamaGenerated:
    """The whole answer."""
    meta, choice = job.meta, job.result.choices[0]
    thoughts = choice.reasoning if meta.thoughts else None
    return _line(
        meta,
        choice.text,
        thoughts=thoughts or "",
        calls=_calls(choice),
        logprobs=choice.logprobs,
        end=_end(job.result, choice),
    )


def ended(meta: AskedMeta, reason: Literal["load", "unload"]) -> OllamaChat | OllamaGenerated:
    """What a request without a prompt is answered with."""
    return _line(meta, "", end={"done_reason": reason})


class OllamaFrames(TextFrames):
    """One JSON object in each line. Calls come in a line of their own, before the last."""

    headers = LINES

    def __init__(self, meta: AskedMeta) -> None:
        super().__init__()
        self._meta = meta
        kind = b'"message":{"role":"assistant","content":' if meta.chat else b'"response":'
        self._head = b'{"model":' + orjson.dumps(meta.model) + b',"created_at":"%b",' + kind
        self._tail = (b"}" if meta.chat else b"") + b',"done":false}\n'

    def alive(self, progress: JobProgress) -> bytes:
        return self._text("")

    def piece(self, piece: AnswerPiece) -> bytes:
        if piece.field == "content":
            if piece.logprobs:
                return line(_line(self._meta, piece.text, logprobs=piece.logprobs))
            return self._text(piece.text) if piece.text else b""
        if piece.field == "reasoning" and self._meta.thoughts:
            return line(_line(self._meta, "", thoughts=piece.text))
        return b""

    def finish(self, index: int, reason: str) -> bytes:
        return b""

    def close(self, result: TextResult | TranscriptionResult) -> bytes:
        assert isinstance(result, TextResult)
        choice = result.choices[0]
        calls = _calls(choice)
        told = line(_line(self._meta, "", calls=calls)) if calls else b""
        return told + line(_line(self._meta, "", end=_end(result, choice)))

    def failed(self, error: MlxqError) -> bytes:
        return line(OLLAMA.error_body(error))

    def _text(self, text: str) -> bytes:
        return self._head % now().encode() + orjson.dumps(text) + self._tail


def _line(
    meta: AskedMeta,
    text: str,
    *,
    thoughts: str = "",
    calls: list[OllamaCall] | None = None,
    logprobs: list[TokenLogprob] | None = None,
    end: dict[str, Any] | None = None,
) -> OllamaChat | OllamaGenerated:
    head = {"model": cast(str, meta.model), "created_at": now()}
    likely = {"logprobs": [with_likely(each) for each in logprobs]} if logprobs else {}
    thinking = {"thinking": thoughts} if thoughts else {}
    said: dict[str, Any]
    if meta.chat:
        called = {"tool_calls": calls} if calls else {}
        said = {"message": {"role": "assistant", "content": text, **thinking, **called}}
    else:
        said = {"response": text, **thinking}
    return cast(OllamaChat, {**head, **said, **likely, "done": end is not None, **(end or {})})


def _end(result: TextResult, choice: Choice) -> dict[str, Any]:
    return {
        "done_reason": "length" if choice.finish_reason == "length" else "stop",
        **durations(result),
        "prompt_eval_count": result.usage.prompt_tokens,
        "prompt_eval_duration": nanoseconds(result.timings.prompt_seconds),
        "eval_count": result.usage.completion_tokens,
        "eval_duration": nanoseconds(result.timings.generation_seconds),
    }


def _calls(choice: Choice) -> list[OllamaCall]:
    return [
        {
            "id": call.id,
            "function": {"index": place, "name": call.name, "arguments": arguments_object(call.arguments)},
        }
        for place, call in enumerate(choice.tool_calls or ())
    ]
