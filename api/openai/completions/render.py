"""What a completion answers, whole and as the chunks of a stream, with log-probabilities in their old form."""

import codecs
from typing import Literal, cast

from msgspec import UNSET
from typing_extensions import TypedDict

from api.dispatch.renderers import Answered
from api.dispatch.sent_answer import AnswerPiece
from api.openai.completions.completion import (
    Completion,
    CompletionChunkChoice,
    CompletionLogprobs,
    CompletionReason,
)
from api.openai.text_frames import OpenAiChunks
from api.openai.usage import FINGERPRINT, usage
from jobs.events import TokenLogprob
from jobs.meta import Meta
from jobs.results import TextResult


class CompletionMeta(Meta, frozen=True, kw_only=True):
    include_usage: bool = False


def text_completion(job: Answered[CompletionMeta, TextResult]) -> Completion:
    """The completion of a job."""
    result = job.result
    return {
        **_head(job.job_id, job.meta),
        "choices": [
            {
                "index": choice.index,
                "text": choice.text,
                "logprobs": Offsets().logprobs(choice.logprobs),
                "finish_reason": cast(CompletionReason, choice.finish_reason),
            }
            for choice in result.choices
        ],
        "usage": usage(result.usage),
    }


class _Head(TypedDict):
    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    system_fingerprint: str


def _head(job_id: str, meta: CompletionMeta) -> _Head:
    return {
        "id": job_id,
        "object": "text_completion",
        "created": meta.created,
        "model": cast(str, meta.model),
        "system_fingerprint": FINGERPRINT,
    }


class Offsets:
    """Where each token of one choice begins in its text, in characters, over all the pieces of a stream."""

    def __init__(self) -> None:
        self._offset = 0
        # A character may be spread over several tokens: it counts where it ends.
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def logprobs(self, entries: list[TokenLogprob] | None) -> CompletionLogprobs | None:
        """OpenAI's first form: parallel lists. The first token of an echoed prompt has no probability."""
        if entries is None:
            return None
        offsets = []
        for entry in entries:
            offsets.append(self._offset)
            self._offset += len(self._decoder.decode(bytes(entry.bytes)))
        return {
            "tokens": [entry.token for entry in entries],
            "token_logprobs": [entry.logprob for entry in entries],
            "top_logprobs": [_alternatives(entry) for entry in entries],
            "text_offset": offsets,
        }


def _alternatives(entry: TokenLogprob) -> dict[str, float | None] | None:
    """The likeliest tokens, and always the one that was taken."""
    if entry.logprob is None:
        return None
    found: dict[str, float | None] = {}
    for token in (*(() if entry.top is UNSET else entry.top), entry):
        found.setdefault(token.token, token.logprob)
    return found


class CompletionFrames(OpenAiChunks):
    """The chunks of one stream as server-sent events."""

    def __init__(self, job_id: str, meta: CompletionMeta, *, choices: int) -> None:
        super().__init__(_head(job_id, meta), include_usage=meta.include_usage)
        self._offsets = [Offsets() for _ in range(choices)]

    def piece(self, piece: AnswerPiece) -> bytes:
        logprobs = self._offsets[piece.choice].logprobs(piece.logprobs)
        return self._choice(piece.choice, piece.text, None, logprobs)

    def finish(self, index: int, reason: str) -> bytes:
        return self._choice(index, "", cast(CompletionReason, reason), None)

    def _choice(
        self,
        index: int,
        text: str,
        reason: CompletionReason | None,
        logprobs: CompletionLogprobs | None,
    ) -> bytes:
        choice: CompletionChunkChoice = {
            "index": index,
            "text": text,
            "logprobs": logprobs,
            "finish_reason": reason,
        }
        return self.chunk(choice)
