"""What names are resolved against: the disk of this machine, or the cards of all machines.

It knows what the catalog asks. `local.py` answers from folders, `published.py` from cards.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from jobs.models.alias import ModelAlias
from mlxq.catalog.adapters import Adapter
from mlxq.catalog.ref import Model, ModelRef


class ModelSource(Protocol):
    """Of several models with one id the first counts."""

    @property
    def names(self) -> Mapping[str, str]:
        """Names that users gave, and the ids of the models."""

    @property
    def aliases(self) -> Mapping[str, ModelAlias]:
        """Names that users gave to models together with defaults of parameters."""

    def installed(self) -> Sequence[Model]:
        """The models that every kind of name may mean."""

    def cached(self, model_id: str) -> Model | None:
        """The model of that hub id in a hub's cache, unless it was deleted."""

    def left_behind(self, model_id: str) -> Model | None:
        """The model of that id that was deleted and whose files stayed below a root, outside the hub's cache."""

    def shipped(self, name: str) -> Model | None:
        """The model of that name that comes with mlxq."""

    def of_ref(self, ref: ModelRef) -> Model | None:
        """The model that a resolved name means."""

    def of_setting(self, value: str) -> Model | None:
        """The model in the folder that a setting names, wherever it lies. None: no model is there."""

    def of_request(self, name: str) -> Model | None:
        """The model in the folder that a request names. None: no model is there, or it lies outside the roots."""

    def adapter(self, name: str) -> Adapter | None:
        """The LoRA adapter of that name for language models."""

    def lora(self, name: str) -> Path | None:
        """The LoRA file of that name for models that make images."""

    def lora_name(self, path: Path) -> str:
        """The name of such a file for every machine that has it below its roots."""
