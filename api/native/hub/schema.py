"""The answers of `/v1/hub`."""

from typing import Literal

from typing_extensions import TypedDict

ModelCategory = Literal["llm", "asr", "tts", "image", "embedding"]


class FoundModel(TypedDict):
    """A model of the hub. Sizes are bytes, estimated; null where nothing tells. `fits`: into the memory."""

    id: str
    category: ModelCategory | None
    size_bytes: int | None
    memory_bytes: int | None
    fits: bool | None
    installed: bool
    downloads: int
    likes: int
    updated_at: int | None


class FoundModels(TypedDict):
    """`memory_bytes` is what models may take on this machine."""

    object: Literal["list"]
    data: list[FoundModel]
    memory_bytes: int


class RecommendedModel(TypedDict):
    """`size` is what has to be fetched, in words. `best`: the one for this machine's memory."""

    id: str
    category: ModelCategory
    size: str
    memory_bytes: int
    fits: bool
    best: bool
    installed: bool


class RecommendedModels(TypedDict):
    """Of each category, the largest first."""

    object: Literal["list"]
    data: list[RecommendedModel]
    memory_bytes: int
