"""Batches, memory and the share of each lane."""

from typing import Literal

from pydantic import Field

from config import early
from config.settings.group import Group
from config.values import Automatic, Seconds


class EngineSettings(Group):
    """Batches, memory and the share of each lane."""

    batch_size: int = Field(
        default=32,
        ge=1,
        le=1024,
        description="Chats that are decoded together; requests for embeddings that are computed together.",
    )
    memory_budget_gb: float = Field(
        default=0,
        ge=0,
        le=4096,
        description="Memory that all models together may take, in GB; `0`: what Metal recommends, elsewhere three "
        "quarters of the machine's.",
    )
    wired_limit_gb: float = Field(
        default=0,
        ge=0,
        le=4096,
        description="Memory that Metal keeps resident for models, in GB; `0`: what Metal recommends.",
    )
    cache_limit_gb: float = Field(
        default=0,
        ge=0,
        le=4096,
        description="Freed memory that MLX may keep on Metal to use it again, in GB; `0`: a tenth of the budget.",
    )
    switch_patience: float = Field(
        default=15,
        ge=0,
        le=3600,
        description="Seconds for which jobs for models in memory go before a job for another model that does not "
        "fit beside them, so that two programs with two models do not cause a switch with every request.",
    )
    lanes: Literal["turns", "overlap"] = Field(
        default="turns",
        description="How models of different categories share the device: they take `turns`, step by step, or "
        "their steps `overlap`.",
    )
    chat_share: float = Field(
        default=0.8,
        ge=0.1,
        le=0.95,
        description="Share of the time that chats get while other categories work too, when lanes take turns.",
    )
    prompt_cache_mb: Automatic = Field(
        default=None,
        ge=0,
        le=1_048_576,
        description="Memory of the prompt cache of a model, in MB; `auto`: half of what models and running requests "
        "leave of the memory; `0` turns it off.",
    )
    normalise_prompts: bool = Field(
        default=True,
        description="Leave out what programs put at the beginning of system prompts for their maker's billing, and "
        "what changes with every request: it would defeat the prompt cache.",
    )
    prompt_cache_disk_gb: float = Field(
        default=10,
        ge=0,
        le=1_048_576,
        description="Disk space of the prompt cache, in GB, but never more than a quarter of what is free; it "
        "survives restarts. `0` turns it off.",
    )
    drain_timeout: Seconds = Field(
        default=early.DRAIN_TIMEOUT,
        ge=0,
        le=600,
        description="How long a stop waits for running jobs before they are put back into the queue; honcho "
        "kills after 5, so that more needs another launcher.",
    )
    step_timeout: Seconds = Field(
        default=120,
        gt=0,
        le=86_400,
        description="Longest single step of an engine; after it the worker counts as hung and is restarted.",
    )

    @property
    def prompt_cache_bytes(self) -> int | None:
        """None: it depends on the memory that is free."""
        return None if self.prompt_cache_mb is None else int(self.prompt_cache_mb * 1024 * 1024)

    @property
    def prompt_cache_disk_bytes(self) -> int:
        return int(self.prompt_cache_disk_gb * 1024**3)
