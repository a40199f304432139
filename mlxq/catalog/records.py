"""What mlxq records of models beyond what lies on the disk: which it fetched, under which names, which were deleted.

One small file in the data folder, shared by the API and the downloads. A change writes a new file and renames it,
under a lock: readers never see half of it.
"""

import fcntl
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypedDict, cast

import msgspec

from config.values import JsonObject
from jobs.models.alias import ModelAlias
from mlxq.catalog import foreign_json

#: Of a file that is not there or that mlxq did not write.
_UNSOUND = (OSError, ValueError, TypeError, AttributeError, msgspec.MsgspecError)


class InstallFacts(TypedDict, total=False):
    """Where a model came from and when, in Unix seconds."""

    source: str
    revision: str
    installed_at: int


@dataclass(frozen=True, slots=True)
class Remembered:
    """`models`: the id of each model that mlxq fetched, and where it came from.

    `names`: a name that a user gave → the id. `forgotten`: deleted models whose files stayed. `aliases`: names with
    defaults of parameters that requests made.
    """

    models: dict[str, InstallFacts] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    forgotten: frozenset[str] = frozenset()
    aliases: dict[str, ModelAlias] = field(default_factory=dict)

    def installed(self, model_id: str, facts: InstallFacts) -> "Remembered":
        return replace(self, models={**self.models, model_id: facts}, forgotten=self.forgotten - {model_id})

    def known(self, model_id: str) -> "Remembered":
        """The same with a model that was deleted and is used again."""
        return replace(self, forgotten=self.forgotten - {model_id})

    def named(self, name: str, model_id: str) -> "Remembered":
        return replace(self, names={**self.names, name: model_id})

    def unnamed(self, model_id: str) -> "Remembered":
        """The same without the names and aliases of the model."""
        return replace(
            self,
            names={name: each for name, each in self.names.items() if each != model_id},
            aliases={name: alias for name, alias in self.aliases.items() if alias.model != model_id},
        )

    def deleted(self, model_id: str, *, files_stay: bool) -> "Remembered":
        """Without the model, its names and its aliases."""
        return replace(
            self.unnamed(model_id),
            models={each: facts for each, facts in self.models.items() if each != model_id},
            forgotten=self.forgotten | {model_id} if files_stay else self.forgotten - {model_id},
        )

    def aliased(self, name: str, alias: ModelAlias) -> "Remembered":
        return replace(self, aliases={**self.aliases, name: alias})

    def unaliased(self, name: str) -> "Remembered":
        return replace(self, aliases={each: alias for each, alias in self.aliases.items() if each != name})


class Records:
    """The file. It need not exist, and one that cannot be read counts as empty."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "models.json"
        self._stamp: tuple[int, int] | None = None
        self._content = Remembered()

    def read(self) -> Remembered:
        try:
            status = self._path.stat()
            stamp = (status.st_mtime_ns, status.st_ino)
            if stamp != self._stamp:
                self._content, self._stamp = _decode(foreign_json.read_object(self._path)), stamp
        except _UNSOUND:
            self._content, self._stamp = Remembered(), None
        return self._content

    def change(self, change: Callable[[Remembered], Remembered]) -> Remembered:
        """Write what `change` makes of the content. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "models.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            before = self.read()
            after = change(before)
            if after != before:
                new = self._path.with_suffix(".new")
                new.write_text(json.dumps(_encode(after), indent=1))
                new.replace(self._path)
        return after


def _encode(content: Remembered) -> JsonObject:
    return {
        "models": content.models,
        "names": content.names,
        "forgotten": sorted(content.forgotten),
        "aliases": msgspec.to_builtins(content.aliases),
    }


def _decode(data: JsonObject) -> Remembered:
    """Raises what `_UNSOUND` lists for a file that mlxq did not write."""
    content: Any = {"models": {}, "names": {}, "forgotten": [], "aliases": {}, **data}
    return Remembered(
        {str(model): cast(InstallFacts, dict(facts)) for model, facts in content["models"].items()},
        {str(name): str(model) for name, model in content["names"].items()},
        frozenset(map(str, content["forgotten"])),
        msgspec.convert(content["aliases"], dict[str, ModelAlias]),
    )
