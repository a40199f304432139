"""The answers of `/v1/discover`: models on the hub, as MLX-GUI shows them. Sizes count 1024³ bytes."""

from typing_extensions import TypedDict


class HubModel(TypedDict):
    """`estimated_memory_gb` is what it takes to run, null when nothing tells."""

    id: str
    name: str
    author: str | None
    downloads: int
    likes: int
    model_type: str
    size_gb: float | None
    estimated_memory_gb: float | None
    mlx_compatible: bool
    has_mlx_version: bool
    mlx_repo_id: str | None
    tags: list[str]
    description: str
    updated_at: str | None


class HubList(TypedDict):
    models: list[HubModel]
    total: int


class HubDetails(HubModel):
    """`mlx_repo_id` is a model for MLX that was made of this one, if it is none itself."""

    created_at: str | None
    library_name: str | None
    pipeline_tag: str | None
    system_compatible: bool
    compatibility_message: str


class FittingModel(HubModel):
    memory_fit: str


class FittingModels(TypedDict):
    models: list[FittingModel]
    max_memory_gb: float
    total: int


class HubCategories(TypedDict):
    """The ids of models, by what they are for."""

    categories: dict[str, list[str]]
