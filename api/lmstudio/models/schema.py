"""What is told of models by `/api/v0/models` and `/api/v1/models`, and requests to load and unload them."""

from typing import Literal, NotRequired

from typing_extensions import TypedDict

from api.http.bodies.fields import RequestModel


class LmStudioModel(TypedDict):
    """Lengths are in tokens; `loaded_context_length` is there while the model is in memory."""

    id: str
    object: Literal["model"]
    type: Literal["llm", "vlm", "embeddings"]
    publisher: str
    arch: str
    compatibility_type: Literal["mlx"]
    quantization: str
    state: Literal["loaded", "loading", "not-loaded"]
    max_context_length: NotRequired[int]
    loaded_context_length: NotRequired[int]
    capabilities: NotRequired[list[str]]


class LmStudioModels(TypedDict):
    object: Literal["list"]
    data: list[LmStudioModel]


class LmStudioQuantization(TypedDict):
    name: str | None
    bits_per_weight: int | None


class LmStudioConfig(TypedDict):
    context_length: int


class LmStudioInstance(TypedDict):
    """A model in memory has one, whose id is the model's."""

    id: str
    config: LmStudioConfig


class LmStudioReasoning(TypedDict):
    allowed_options: list[str]
    default: str


class LmStudioCapabilities(TypedDict):
    vision: bool
    trained_for_tool_use: bool
    reasoning: NotRequired[LmStudioReasoning]


class LmStudioModelV1(TypedDict):
    """`architecture`, `capabilities` and `description` are those of language models."""

    type: Literal["llm", "embedding"]
    publisher: str
    key: str
    display_name: str
    architecture: NotRequired[str | None]
    quantization: LmStudioQuantization
    size_bytes: int
    params_string: str | None
    loaded_instances: list[LmStudioInstance]
    max_context_length: int
    format: Literal["mlx"]
    capabilities: NotRequired[LmStudioCapabilities]
    description: NotRequired[None]


class LmStudioModelsV1(TypedDict):
    models: list[LmStudioModelV1]


class LmStudioLoadRequest(RequestModel):
    """A model loads as it is, and may be used with its whole context."""

    harmless = frozenset({"eval_batch_size", "flash_attention", "offload_kv_cache_to_gpu"})

    model: str
    echo_load_config: bool = False


class LmStudioUnloadRequest(RequestModel):
    instance_id: str


class LmStudioLoaded(TypedDict):
    type: Literal["llm", "embedding"]
    instance_id: str
    load_time_seconds: float
    status: Literal["loaded"]
    load_config: NotRequired[LmStudioConfig]


class LmStudioUnloaded(TypedDict):
    instance_id: str
