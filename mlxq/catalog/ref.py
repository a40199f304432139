"""What a name means: a model, with or without an adapter. It knows names; it does not look at the disk."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from jobs.kinds import Category
from jobs.models.alias import ModelAlias
from jobs.models.card import Fault, ModelCard
from mlxq.catalog.adapters import Adapter
from mlxq.catalog.installed import Installed

#: `org/name` as the hubs allow it.
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
#: What clients of Ollama and of LM Studio write around an id of the hub.
_HOST = re.compile(r"(?:https?://)?(?:hf|huggingface)\.co/", re.IGNORECASE)
_TAG = ":latest"
#: No name, path or id is longer.
_LONGEST = 1024


#: A model in a folder of this machine, or on any machine that published its card.
Model: TypeAlias = Installed | ModelCard


class UnknownModel(LookupError):
    """No model has that name. The message is for the user."""


class UnknownAdapter(UnknownModel):
    """The model is known, its adapter is not."""


@dataclass(frozen=True, slots=True)
class ModelRef:
    """What a name means. `id` is the model's one name everywhere.

    A model that is only on a hub has no `category`, no `path` on this machine and no `card` of a machine that has it.
    `adapter` makes it another model, whose id ends with the adapter's. `fault`: why it cannot be used although it is
    there.
    """

    id: str
    path: Path | None
    adapter: Adapter | None = None
    category: Category | None = None
    fault: Fault | None = None
    #: what a client is told about the model that answers
    note: str = ""
    #: it comes with mlxq and answers in place of a real one
    makeshift: bool = False
    #: the alias by which it was named, with the defaults of its requests
    alias: ModelAlias | None = None
    #: what answers where the model cannot be fetched
    instead: "ModelRef | None" = None
    card: ModelCard | None = None

    @property
    def installed(self) -> bool:
        """Whether the model is here, or on another machine that runs jobs."""
        return self.path is not None or self.card is not None

    @property
    def base_id(self) -> str:
        """The id of the model without its adapter."""
        return self.id.removesuffix(f"+{self.adapter.id}") if self.adapter else self.id

    def with_adapter(self, adapter: Adapter) -> "ModelRef":
        """The same model with this adapter in place of its own. Raises UnknownAdapter where it takes none."""
        if self.category not in (None, Category.LLM):
            raise UnknownAdapter(f"The model '{self.base_id}' takes no adapter: it is no language model.")
        return replace(self, id=f"{self.base_id}+{adapter.id}", adapter=adapter)


def ref_of(model: Model) -> ModelRef:
    if isinstance(model, ModelCard):
        return ModelRef(model.id, None, category=model.category, fault=model.fault, card=model)
    return ModelRef(model.id, model.path, category=model.category, fault=model.fault)


def is_hub_id(name: str) -> bool:
    """Whether a hub may have a model of that name."""
    return _HUB_ID.fullmatch(name) is not None and ".." not in name and "--" not in name


def plain_name(name: str) -> str:
    """A name without the hub's address, a slash at its end, and Ollama's tag that means nothing."""
    host = _HOST.match(name)
    return name[host.end() if host else 0 :].removesuffix(_TAG).rstrip("/")


def is_valid(name: str) -> bool:
    """Whether a name can be one of a model, an adapter or a path at all."""
    return len(name) <= _LONGEST and "\0" not in name
