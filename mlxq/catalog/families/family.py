"""What all families of models have in common: how their folders are recognised, and which files they need.

A family knows names of models, names of files and config.json. It never reads weights and knows no engine: the
worker imports the module that `engine` names.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from config.values import JsonObject
from jobs.kinds import Category


@dataclass(frozen=True, slots=True)
class Candidate:
    """A folder that may hold a model: its id in the catalog, where it lies, and its config.json."""

    model_id: str
    path: Path
    config: JsonObject = field(default_factory=dict, repr=False)

    @property
    def model_type(self) -> str:
        """In lower case, with underscores; empty without one."""
        return str(self.config.get("model_type") or "").lower().replace("-", "_")


@dataclass(frozen=True, kw_only=True, eq=False)
class Family:
    """One family of models. Subclasses override what the fields cannot say."""

    #: unique among all families
    name: str
    #: the slot that its models are loaded into
    category: Category
    #: the module that loads it, below the worker's package for the category or, with dots, by its full name;
    #: empty: it is called after the family
    engine: str = ""
    #: `model_type`s of config.json, in lower case, with underscores
    types: frozenset[str] = frozenset()
    #: names of single models that requests may use, and their hub ids
    short_names: Mapping[str, str] = field(default_factory=dict)
    #: a name for the category's default model, valid while that is of this family
    default_name: str = ""
    #: what is fetched for the family's own name where none of its models is installed; empty: the name means nothing
    hub_id: str = ""
    #: names that mean any of the family's models, besides its own name where that has a `hub_id`
    own_names: frozenset[str] = frozenset()
    #: what is said to the user where none of its models is installed and none can be fetched
    absent: str = ""
    #: the setting that names a folder with a model of this family
    folder_setting: str = ""
    #: libraries that only an extra of mlxq brings, by the names of their modules, and the extra
    extras: Mapping[str, str] = field(default_factory=dict)
    #: whether its models go before others of the category where several are installed and none is chosen
    preferred: bool = False
    #: whether one of its models may be the category's default where nobody has chosen one
    serves: bool = True

    def matches_files(self, path: Path) -> bool:
        """Whether the names of the folder's files alone identify the family: it has no config.json of its own."""
        return False

    def matches_config(self, candidate: Candidate) -> bool:
        """Whether a folder with this config.json holds a model of the family."""
        return candidate.model_type in self.types

    def missing_files(self, path: Path) -> list[str]:
        """What the folder lacks, as patterns and names below it."""
        return []

    def unneeded_files(self, names: Collection[str]) -> frozenset[str]:
        """Files of a repository that are not fetched, such as the same weights in other sizes."""
        return frozenset()
