"""What is known of the models of one machine: a card for each, and what else lies in its model roots.

It knows the shape, which the catalog fills from folders and a worker publishes. The API asks cards and no folder. It
does not know how a card is made, nor how it is sent.
"""

from typing import Any, Literal

import msgspec

from jobs.kinds import Category

#: Where a model lies: a folder that a setting names, a model root, the hub's cache outside of the roots, or a folder
#: that only a default or a name of a shipped model leads to.
Place = Literal["setting", "root", "cache", "elsewhere"]
#: Why a model's files are not deleted.
Kept = Literal["", "shipped", "outside"]


class Fault(msgspec.Struct, frozen=True):
    """Why a model that is there cannot be used: the code of the error, and a sentence for the user."""

    code: str
    reason: str


class Limits(msgspec.Struct, frozen=True):
    """Pixels of a side, which is a multiple of 16; how many images a request may bring; the usual number of steps."""

    shortest: int = 16
    longest: int = 2048
    references: int = 1
    steps: int = 4


class Guidance(msgspec.Struct, frozen=True):
    """`usual`: the guidance of a request without one. `counts`: another value changes the image.

    `negatives`: a negative prompt is read, where the guidance is above 1.
    """

    usual: float
    counts: bool
    negatives: bool

    def reads_negatives(self, guidance: float | None) -> bool:
        return self.negatives and (self.usual if guidance is None else guidance) > 1


class ModelCard(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One model. `folder` is its path on its own machine, links resolved; no client sees it."""

    id: str
    category: Category
    family_name: str
    model_type: str = ""
    folder: str
    place: Place
    #: which of the roots it lies in
    root: int = 0
    #: it lies in a hub's cache, whether that is a root or not
    cached: bool = False
    #: mlxq downloaded it
    fetched: bool = False
    #: it was deleted, and its files stayed
    forgotten: bool = False
    kept: Kept = ""
    fault: Fault | None = None
    #: when it was put there, Unix seconds
    created: int = 0
    disk_bytes: int = 0
    #: bytes of its weights in memory; None: not known
    weight_bytes: int | None = None
    context_length: int | None = None
    #: how it samples where a request does not say it
    temperature: float = 1.0
    top_p: float = 1.0
    #: a language model that reads images
    sees: bool = False
    #: its chat templates have no place for tools
    toolless: bool = False
    #: its chat templates speak of thoughts
    thinks: bool = False
    #: the voices that a speech model has of its own
    voices: tuple[str, ...] = ()
    #: options beside text or recording that have an effect; None: not known
    options: tuple[str, ...] | None = None
    limits: Limits | None = None
    guidance: Guidance | None = None
    #: it may be the default where nobody has chosen one, and goes before others then
    serves: bool = False
    preferred: bool = False
    #: what clients are told of its config.json
    metadata: dict[str, Any] = {}

    @property
    def installed(self) -> bool:
        """Whether every kind of name may mean it; else only its own id, or a setting, does."""
        return not self.forgotten and (self.place in ("setting", "root") or self.fetched)


class RootContents(msgspec.Struct, frozen=True, omit_defaults=True):
    """The model roots and what lies in them beside models, by the names that requests have for it.

    `folders`: the roots and the folders that settings name, links resolved. `links`: links may lead out of them.
    """

    folders: tuple[str, ...] = ()
    links: bool = False
    adapters: tuple[str, ...] = ()
    loras: tuple[str, ...] = ()


class Inventory(msgspec.Struct, frozen=True):
    """All that one machine has: cards by the ids of models, and the rest."""

    cards: dict[str, ModelCard] = {}
    roots: RootContents = RootContents()
