"""What a chat answers: the completion, and the chunks of its stream."""

from typing import cast

import orjson
from msgspec import UNSET

from api.dispatch.frames import EVENT_EVERY
from api.dispatch.progress import JobProgress
from api.dispatch.renderers import Answered
from api.dispatch.sent_answer import AnswerPiece
from api.http.job_options.service_class import ServedTier
from api.openai.chat.completion import (
    ChatChunkChoice,
    ChatCompletion,
    ChatDelta,
    ChatLogprob,
    ChatLogprobs,
    ChatMessage,
    ChatToolCallPart,
    FinishReason,
    FunctionPart,
)
from api.openai.text_frames import OpenAiChunks
from api.openai.usage import FINGERPRINT, usage
from jobs.events import CallPart, TokenLogprob
from jobs.meta import Meta
from jobs.results import Choice, TextResult


class ChatMeta(Meta, frozen=True, kw_only=True):
    """`legacy`: the request had `functions`, whose answers have another form than those of `tools`. `tier`: what is
    told of its `service_tier`.
    """

    include_usage: bool = False
    legacy: bool = False
    tier: ServedTier | None = None


def chat_completion(job: Answered[ChatMeta, TextResult]) -> ChatCompletion:
    """The completion of a job."""
    meta, result = job.meta, job.result
    completion: ChatCompletion = {
        "id": job.job_id,
        "object": "chat.completion",
        "created": meta.created,
        "model": cast(str, meta.model),
        "choices": [
            {
                "index": choice.index,
                "message": _message(choice, legacy=meta.legacy),
                "logprobs": _logprobs(choice.logprobs),
                "finish_reason": _reason(choice.finish_reason, legacy=meta.legacy),
            }
            for choice in result.choices
        ],
        "usage": usage(result.usage),
        "system_fingerprint": FINGERPRINT,
    }
    if meta.tier is not None:
        completion["service_tier"] = meta.tier
    return completion


def _reason(reason: str, *, legacy: bool) -> FinishReason:
    return cast(FinishReason, "function_call" if legacy and reason == "tool_calls" else reason)


def _message(choice: Choice, *, legacy: bool) -> ChatMessage:
    calls = choice.tool_calls
    message: ChatMessage = {
        "role": "assistant",
        "content": choice.text or (None if calls else ""),
        "refusal": None,
    }
    if choice.reasoning:
        message["reasoning_content"] = choice.reasoning
    if calls and legacy:
        message["function_call"] = {"name": calls[0].name, "arguments": calls[0].arguments}
    elif calls:
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in calls
        ]
    return message


def _logprobs(entries: list[TokenLogprob] | None) -> ChatLogprobs | None:
    if entries is None:
        return None
    return {"content": [with_likely(entry) for entry in entries], "refusal": None}


def with_likely(entry: TokenLogprob) -> ChatLogprob:
    """A token with the likeliest in its place."""
    top = [] if entry.top is UNSET else entry.top
    return {
        "token": entry.token,
        "logprob": cast(float, entry.logprob),
        "bytes": entry.bytes,
        "top_logprobs": [
            {"token": each.token, "bytes": each.bytes, "logprob": cast(float, each.logprob)} for each in top
        ],
    }


class ChatFrames(OpenAiChunks):
    """The chunks of one stream as server-sent events. All but the text of a plain delta is serialised once."""

    #: whether some keep-alives are chunks without content
    keep_alive_chunks = False

    def __init__(self, job_id: str, meta: ChatMeta, *, choices: int) -> None:
        head = {
            "id": job_id,
            "object": "chat.completion.chunk",
            "created": meta.created,
            "model": meta.model,
            "system_fingerprint": FINGERPRINT,
            **({} if meta.tier is None else {"service_tier": meta.tier}),
        }
        super().__init__(head, include_usage=meta.include_usage)
        self._choices = choices
        self._legacy = meta.legacy
        self._kept_alive = 0
        self._deltas = [
            self._head + b',"choices":[{"index":%d,"delta":{"content":' % index for index in range(choices)
        ]
        self._delta_end = b'},"logprobs":null,"finish_reason":null}]' + self._tail

    def begin(self) -> bytes:
        role: ChatDelta = {"role": "assistant", "content": "", "refusal": None}
        return b"".join(self._choice(index, role) for index in range(self._choices))

    def alive(self, progress: JobProgress) -> bytes:
        self._kept_alive += 1
        if self.keep_alive_chunks and self._kept_alive % EVENT_EVERY == 0:
            return self._choice(0, {})
        return super().alive(progress)

    def piece(self, piece: AnswerPiece) -> bytes:
        if piece.field == "content" and not piece.logprobs:
            return self._deltas[piece.choice] + orjson.dumps(piece.text) + self._delta_end
        if piece.field == "reasoning":
            return self._choice(piece.choice, {"reasoning_content": piece.text})
        if piece.call is not None and self._legacy:
            return self._choice(piece.choice, {"function_call": _legacy_call(piece.call, piece.text)})
        if piece.call is not None:
            return self._choice(piece.choice, {"tool_calls": [_call(piece.call, piece.text)]})
        return self._choice(piece.choice, {"content": piece.text}, logprobs=_logprobs(piece.logprobs))

    def finish(self, index: int, reason: str) -> bytes:
        return self._choice(index, {}, _reason(reason, legacy=self._legacy))

    def _choice(
        self,
        index: int,
        delta: ChatDelta,
        reason: FinishReason | None = None,
        logprobs: ChatLogprobs | None = None,
    ) -> bytes:
        choice: ChatChunkChoice = {
            "index": index,
            "delta": delta,
            "logprobs": logprobs,
            "finish_reason": reason,
        }
        return self.chunk(choice)


def _call(call: CallPart, arguments: str) -> ChatToolCallPart:
    """A piece of a tool call. Only its first says what is called."""
    if call.id is None:
        return {"index": call.index, "function": {"arguments": arguments}}
    function: FunctionPart = {"name": call.name or "", "arguments": arguments}
    return {"index": call.index, "id": call.id, "type": "function", "function": function}


def _legacy_call(call: CallPart, arguments: str) -> FunctionPart:
    """The same where there is one call at most."""
    return {"arguments": arguments} if call.name is None else {"name": call.name, "arguments": arguments}
