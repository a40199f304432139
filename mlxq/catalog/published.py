"""The models of all machines as the catalog sees them: the cards that were published. It opens no model's folder.

Paths that requests and settings name are compared with those of the cards, which a machine with the same folders has.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from config.settings import Settings
from jobs.models.alias import ModelAlias
from jobs.models.card import Inventory, ModelCard, Place, RootContents
from mlxq.catalog.adapters import Adapter, find_adapter
from mlxq.catalog.cards import text_of
from mlxq.catalog.installed import SHIPPED
from mlxq.catalog.loras import find_lora, lora_name
from mlxq.catalog.places import is_inside
from mlxq.catalog.ref import ModelRef

#: In which order models are found, as on the disk.
_ORDER: Mapping[Place, int] = {"setting": 0, "root": 1, "cache": 2, "elsewhere": 3}


class PublishedModels:
    """A `ModelSource` of the catalog."""

    def __init__(
        self,
        settings: Settings,
        inventories: Sequence[Inventory],
        names: Mapping[str, str],
        aliases: Mapping[str, ModelAlias] = MappingProxyType({}),
    ) -> None:
        """One inventory per machine; of several cards with one id the first that can be used counts."""
        self.names = names
        self.aliases = aliases
        self._own_roots = tuple(root.resolve() for root in settings.model_roots)
        self._roots = [inventory.roots for inventory in inventories]
        cards: dict[str, ModelCard] = {}
        for inventory in inventories:
            for model_id, card in inventory.cards.items():
                known = cards.get(model_id)
                if known is None or (_is_unusable(known) and not _is_unusable(card)):
                    cards[model_id] = card
        ordered = sorted(cards.values(), key=lambda card: (_ORDER[card.place], card.root, card.id.split("/")))
        self._cards = {card.id: card for card in ordered}
        self._installed = [card for card in ordered if card.installed]
        self._by_folder: dict[str, ModelCard] = {}
        for card in ordered:
            if not card.forgotten:
                self._by_folder.setdefault(card.folder, card)

    def installed(self) -> Sequence[ModelCard]:
        return self._installed

    def cached(self, model_id: str) -> ModelCard | None:
        card = self._cards.get(model_id)
        return card if card is not None and card.cached else None

    def left_behind(self, model_id: str) -> ModelCard | None:
        card = self._cards.get(model_id)
        return card if card is not None and card.forgotten else None

    def shipped(self, name: str) -> ModelCard | None:
        card = self._cards.get(name)
        return None if card is None or card.forgotten else card

    def of_ref(self, ref: ModelRef) -> ModelCard | None:
        return ref.card

    def of_setting(self, value: str) -> ModelCard | None:
        try:
            path = Path(value).expanduser().resolve()
        except (OSError, RuntimeError, ValueError):
            return None
        found = self._by_folder.get(text_of(path))
        # mlxq lies elsewhere on another machine, and its own models with it.
        if found is None and path.is_relative_to(SHIPPED):
            return self.shipped(path.name)
        return found

    def of_request(self, name: str) -> ModelCard | None:
        try:
            written = Path(name).expanduser()
            card = self._by_folder.get(text_of(written.resolve()))
            if card is not None and any(
                is_inside(written, map(Path, roots.folders), links=roots.links) for roots in self._roots
            ):
                return card
        except (OSError, RuntimeError, ValueError):
            pass
        return None

    def adapter(self, name: str) -> Adapter | None:
        for roots in self._roots:
            below = _below(name, roots)
            if below in roots.adapters:
                return Adapter(below, Path(below))
        return find_adapter(name, self._own_roots)

    def lora(self, name: str) -> Path | None:
        for roots in self._roots:
            below = _below(name, roots)
            inside = [each for each in roots.loras if os.path.dirname(each) == below]
            if below in roots.loras or len(inside) == 1:
                return Path(below if below in roots.loras else inside[0])
        return find_lora(name, self._own_roots)

    def lora_name(self, path: Path) -> str:
        return lora_name(path, self._own_roots) if path.is_absolute() else path.as_posix()


def _below(name: str, roots: RootContents) -> str:
    """A name or a path as a name below the root that it lies in."""
    written = os.path.normpath(os.path.expanduser(name))
    inside = (folder + os.sep for folder in roots.folders if written.startswith(folder + os.sep))
    return written.removeprefix(next(inside, ""))


def _is_unusable(card: ModelCard) -> bool:
    return card.fault is not None or card.forgotten
