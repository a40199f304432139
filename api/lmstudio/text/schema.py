"""Requests for text in LM Studio's words: OpenAI's, and names that only LM Studio has."""

from typing import Any, ClassVar

from msgspec import structs
from pydantic import model_validator

from api.openai.chat.schema import HARMLESS, ChatRequest
from api.openai.completions.schema import CompletionRequest
from api.openai.embeddings.schema import EmbeddingRequest
from jobs.payloads import CompletionPayload

#: Names of LM Studio's, and what the engines call the same.
_NAMES = {"repeat_penalty": "repetition_penalty", "ttl": "keep_alive"}


def _renamed(data: Any) -> Any:
    """With OpenAI's names."""
    if not isinstance(data, dict):
        return data
    data = {**data}
    for theirs, ours in _NAMES.items():
        if (value := data.pop(theirs, None)) is not None:
            data.setdefault(ours, value)
    return data


class LmStudioChatRequest(ChatRequest):
    """A chat. `ttl`: seconds that the model stays in memory after it."""

    harmless: ClassVar[frozenset[str]] = HARMLESS.union(_NAMES)

    @model_validator(mode="before")
    @classmethod
    def _in_our_words(cls, data: Any) -> Any:
        return _renamed(data)


class LmStudioCompletionRequest(CompletionRequest):
    """A text to go on with. Without `max_tokens` it ends by itself."""

    harmless: ClassVar[frozenset[str]] = CompletionRequest.harmless.union(_NAMES)

    @model_validator(mode="before")
    @classmethod
    def _in_our_words(cls, data: Any) -> Any:
        return _renamed(data)

    def payload(self, usual: int | None = None) -> CompletionPayload:
        payload = super().payload(usual)
        return structs.replace(payload, max_tokens=usual) if self.max_tokens is None else payload


class LmStudioEmbeddingRequest(EmbeddingRequest):
    """Texts to turn into vectors."""

    harmless: ClassVar[frozenset[str]] = EmbeddingRequest.harmless.union({"ttl"})

    @model_validator(mode="before")
    @classmethod
    def _in_our_words(cls, data: Any) -> Any:
        return _renamed(data)
