"""Vectors in Ollama's shapes."""

from typing import NotRequired

from typing_extensions import TypedDict

from api.ollama.dialect import Durations


class Embedded(Durations):
    """A request without an input has neither durations nor a count."""

    model: str
    embeddings: list[list[float]]
    prompt_eval_count: NotRequired[int]


class EmbeddedPrompt(TypedDict):
    embedding: list[float]
