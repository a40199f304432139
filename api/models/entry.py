"""A model with its card, its slot and its record in Redis. It does not know the bodies of dialects."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from jobs.models.alias import ModelAlias
from jobs.models.card import ModelCard
from jobs.models.records import ModelRecord
from mlxq.catalog import is_hub_id
from mlxq.catalog.families.reranker import RERANKERS


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A machine has it on its disk, or a worker holds it.

    `given_name` is the name that a user gave it when it was installed, `aliases` are those with
    defaults of parameters that users gave it. `sees`: it is a language model that reads
    images. `state` is `available`, or the state of the slot that holds it. `asked_at` is when it was last asked to be
    loaded, in Unix seconds.
    A model that is in memory leaves it when it was unused for `keep` seconds; None: it stays.
    """

    id: str
    category: str
    record: ModelRecord
    state: str = "available"
    card: ModelCard | None = None
    given_name: str | None = None
    sees: bool = False
    context_length: int | None = None
    memory_bytes: int | None = None
    loaded_at: str | None = None
    error: str | None = None
    asked_at: float = 0.0
    keep: float | None = None
    aliases: Mapping[str, ModelAlias] = field(default_factory=dict)

    @property
    def loaded(self) -> bool:
        return self.state == "loaded"

    @property
    def ranks(self) -> bool:
        """Whether it is a model that ranks documents, and makes no vectors."""
        return self.card is not None and self.card.family_name == RERANKERS.name

    @property
    def wanted_at(self) -> float:
        """When it was last used or loaded, in Unix seconds."""
        return max(self.asked_at, self.record.last_used or 0.0)

    @property
    def created(self) -> int:
        """In Unix seconds; 0 when it is not on the disk."""
        return self.card.created if self.card else 0

    @property
    def hub_id(self) -> str | None:
        return self.id if is_hub_id(self.id) else None

    @property
    def required_bytes(self) -> int | None:
        """Bytes of memory: as measured when it is loaded, else those of its weights."""
        return self.memory_bytes or (self.card.weight_bytes if self.card else None)
