"""What is told of models, in Ollama's shape. The types only."""

from typing import NotRequired

from typing_extensions import TypedDict

from config.values import JsonObject


class Details(TypedDict):
    parent_model: str
    format: str
    family: str
    families: list[str]
    parameter_size: str
    quantization_level: str


class Tag(TypedDict):
    """`size` is in bytes."""

    name: str
    model: str
    modified_at: str
    size: int
    digest: str
    details: Details
    capabilities: list[str]


class Tags(TypedDict):
    models: list[Tag]


class Loaded(TypedDict):
    name: str
    model: str
    size: int
    digest: str
    details: Details
    expires_at: str
    size_vram: int
    context_length: int


class LoadedList(TypedDict):
    models: list[Loaded]


class Shown(TypedDict):
    license: str
    modelfile: str
    parameters: str
    template: str
    system: NotRequired[str]
    details: Details
    model_info: JsonObject
    capabilities: list[str]
    modified_at: str


class Version(TypedDict):
    version: str


class Pulling(TypedDict):
    """A line of a download; sizes are in bytes."""

    status: str
    digest: NotRequired[str]
    total: NotRequired[int]
    completed: NotRequired[int]
