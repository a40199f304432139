"""The user's own names of models: a JSON file with a model, or a model and defaults of parameters, for each name.

    {"fast": "mlx-community/Qwen3-4B-4bit", "reviewer": {"model": "default", "temperature": 0.2, "system": "…"}}

It is read again when it has changed. What is wrong in it is a line in the log, and no more. It knows no models.
"""

import logging
from collections.abc import Mapping
from pathlib import Path

import msgspec

from jobs.models.alias import ModelAlias
from mlxq.catalog import foreign_json
from mlxq.catalog.foreign_json import UnsoundJson

log = logging.getLogger(__name__)

#: Bytes of the largest file, entries in it, and characters of a name.
_LARGEST, _MOST, _LONGEST_NAME = 1 << 20, 1000, 256
#: Names that cannot be given.
_TAKEN = ("", "default")


class AliasFile:
    """The file need not exist. While it cannot be read, the aliases stay as they were."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int, int] | None = None
        self._aliases: Mapping[str, ModelAlias] = {}

    def read(self) -> Mapping[str, ModelAlias]:
        try:
            status = self._path.stat()
        except OSError:
            self._stamp, self._aliases = None, {}
            return self._aliases
        stamp = (status.st_mtime_ns, status.st_ino, status.st_size)
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._aliases = self._read()
            except UnsoundJson as error:
                self._refuse(f"it {error}")
            except OSError as error:
                self._refuse(str(error.strerror))
        return self._aliases

    def _refuse(self, reason: str) -> None:
        log.error("the alias file %s is not used: %s. The aliases stay as they were", self._path, reason)

    def _read(self) -> dict[str, ModelAlias]:
        """Raises OSError and UnsoundJson."""
        data = foreign_json.read(self._path, _LARGEST)
        if not isinstance(data, dict):
            raise UnsoundJson("is no JSON object")
        if len(data) > _MOST:
            raise UnsoundJson(f"has more than {_MOST} names")
        found = {}
        for name, value in data.items():
            try:
                check_name(name)
                found[name] = msgspec.convert(
                    {"model": value} if isinstance(value, str) else value, ModelAlias
                )
            except (ValueError, msgspec.MsgspecError) as error:
                log.error("the alias %r in %s is not used: %s", name[:_LONGEST_NAME], self._path, error)
        return found


def check_name(name: str) -> None:
    """Raises ValueError for what can be no alias."""
    if name in _TAKEN:
        raise ValueError("this name can't be given")
    if len(name) > _LONGEST_NAME or not name.isprintable() or name != name.strip():
        raise ValueError(
            f"a name has up to {_LONGEST_NAME} printable characters, and none of space around it"
        )
