"""What a cloud would have asked for what a model did: `prices.json`, and a file of the user's own.

It knows names of models and numbers. docs/usage.md has the rule by which a model gets its price.
"""

import logging
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Annotated

import msgspec

from jobs.kinds import Kind
from jobs.usage import Figures
from mlxq.catalog import foreign_json
from mlxq.catalog.foreign_json import UnsoundJson

log = logging.getLogger(__name__)

_SHIPPED = Path(__file__).with_name("prices.json")
#: Bytes of the largest file, and entries of a list in it.
_LARGEST, _MOST = 1 << 20, 1000
#: Billions of parameters in a name: of a mixture as experts and size of each or as the active ones, else of all.
_EXPERTS = re.compile(r"(?<![a-z0-9.])([0-9]{1,3})x([0-9]{1,4}(?:\.[0-9]{1,3})?)b(?![a-z0-9])")
_BILLIONS = re.compile(r"(?<![a-z0-9.])([0-9]{1,4}(?:\.[0-9]{1,3})?)b(?![a-z0-9])")
_ACTIVE = re.compile(r"-a[0-9]{1,4}(?:\.[0-9]{1,3})?b(?![a-z0-9])")

_MILLION = 1e6
_HOUR_IN_MILLISECONDS = 3.6e6
_LISTENS = (Kind.TRANSCRIPTION, Kind.TRANSLATION)
_WRITES = (Kind.CHAT, Kind.COMPLETION)

_Amount = Annotated[float, msgspec.Meta(ge=0)]


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """For a million tokens or characters, an image, an hour of audio, a request; None: it is not known.

    Without `cached`, cached tokens cost as much as others.
    """

    prompt: _Amount | None = None
    cached: _Amount | None = None
    completion: _Amount | None = None
    image: _Amount | None = None
    audio_hour: _Amount | None = None
    characters: _Amount | None = None
    request: _Amount | None = None
    #: where it was found
    source: str = ""

    def of(self, kind: str, used: Figures) -> float | None:
        """What the jobs of a row would have cost; None where this kind has no price."""
        if self.request is not None:
            return self.request * used.completed
        if kind == Kind.IMAGE:
            return None if self.image is None else self.image * used.images
        if kind == Kind.SPEECH:
            return None if self.characters is None else self.characters * used.characters / _MILLION
        if kind in _LISTENS:
            hours = used.audio_milliseconds / _HOUR_IN_MILLISECONDS
            return None if self.audio_hour is None else self.audio_hour * hours
        if self.prompt is None or (kind in _WRITES and self.completion is None):
            return None
        cached = self.prompt if self.cached is None else self.cached
        new = used.prompt_tokens - used.cached_tokens
        written = (self.completion or 0.0) * used.completion_tokens
        return (self.prompt * new + cached * used.cached_tokens + written) / _MILLION


class ModelPrice(Price, frozen=True, kw_only=True):
    """`model` is a pattern for its name, with `*` and `?`, in any case."""

    model: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class SizePrice(Price, frozen=True, kw_only=True):
    """For texts of models with at most so many billions of parameters. `mixture`: those of experts."""

    billions: _Amount | None = None
    mixture: bool = False


class _File(msgspec.Struct, frozen=True, kw_only=True):
    date: str = ""
    currency: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")] = "USD"
    models: Annotated[list[ModelPrice], msgspec.Meta(max_length=_MOST)] = []
    sizes: Annotated[list[SizePrice], msgspec.Meta(max_length=_MOST)] = []


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices in one currency; the first that fits is a model's."""

    date: str
    currency: str
    models: tuple[ModelPrice, ...]
    sizes: tuple[SizePrice, ...]

    def price(self, model: str, kind: str) -> Price | None:
        """That of a model by its id; None: nobody is known who asks for one."""
        full = model.lower().partition("+")[0]
        name = full.rpartition("/")[2]
        for each in self.models:
            pattern = each.model.lower()
            if fnmatchcase(name, pattern) or fnmatchcase(full, pattern):
                return each
        return self._by_size(name) if kind in _WRITES else None

    def _by_size(self, name: str) -> Price | None:
        if found := _EXPERTS.search(name):
            billions, mixture = int(found[1]) * float(found[2]), True
        elif found := _BILLIONS.search(name):
            billions, mixture = float(found[1]), _ACTIVE.search(name) is not None
        else:
            return None
        fits = (
            each
            for each in self.sizes
            if each.mixture is mixture and (each.billions is None or billions <= each.billions)
        )
        return next(fits, None)


def prices(own: Path) -> Prices:
    """Those of the user's file `own`, which need not exist, and then ours, unless the currency is another."""
    shipped = _read(_SHIPPED, _stamp(_SHIPPED))
    added = _read(own, _stamp(own))
    assert shipped is not None
    if added is None:
        return Prices(shipped.date, shipped.currency, tuple(shipped.models), tuple(shipped.sizes))
    if added.currency != shipped.currency:
        return Prices(added.date, added.currency, tuple(added.models), tuple(added.sizes))
    return Prices(
        added.date or shipped.date,
        shipped.currency,
        (*added.models, *shipped.models),
        (*added.sizes, *shipped.sizes),
    )


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size


@lru_cache(maxsize=8)
def _read(path: Path, stamp: tuple[int, int, int] | None) -> _File | None:
    """A file as it is at that time. One that can't be read is a line in the log, and counts as none."""
    if stamp is None:
        return None
    try:
        return msgspec.convert(foreign_json.read(path, _LARGEST), _File)
    except UnsoundJson as error:
        reason = f"it {error}"
    except msgspec.ValidationError as error:
        reason = str(error)
    except OSError as error:
        reason = str(error.strerror)
    log.error("the prices in %s are not used: %s", path, reason)
    return None
