"""Names and aliases that users gave to models: those in Redis, which all machines share, and those of the alias file.

A copy of the former on this machine's disk serves settings that name a model so, and a Redis that was emptied. It
knows no model.
"""

import asyncio
from dataclasses import dataclass

from redis.exceptions import RedisError

from config.settings import Settings
from jobs.client import JobClient
from jobs.errors import Conflict, ServiceUnavailable
from jobs.models.alias import ModelAlias
from jobs.models.names import give_aliases, give_names, given_aliases, given_names, take_alias, take_names
from mlxq.catalog.alias_file import AliasFile
from mlxq.catalog.records import Records


@dataclass(frozen=True, slots=True)
class Given:
    """`names`: a name → the id of its model. `aliases`: a name → a model's name and defaults of parameters."""

    names: dict[str, str]
    aliases: dict[str, ModelAlias]


class ModelNames:
    """One per application."""

    def __init__(self, settings: Settings) -> None:
        self._copy = Records(settings.data_dir)
        self._file = AliasFile(settings.alias_file)

    async def read(self, jobs: JobClient) -> Given:
        """All of them; while Redis is away those of the copy. Those of the user's file count more."""
        copied = self._copy.read()
        names, aliases = copied.names, copied.aliases
        try:
            names = await given_names(jobs.redis) or await give_names(jobs.redis, names)
            aliases = await given_aliases(jobs.redis) or await give_aliases(jobs.redis, aliases)
        except (RedisError, OSError):
            pass
        return Given(names, {**aliases, **self._file.read()})

    async def give(self, jobs: JobClient, name: str, model_id: str) -> str:
        """Give a model a name that no other one has. Returns the id of the model that has it then."""
        try:
            owner = (await give_names(jobs.redis, {name: model_id}))[name]
        except (RedisError, OSError):
            raise _away() from None
        if owner == model_id:
            await asyncio.to_thread(self._copy.change, lambda known: known.named(name, model_id))
        return owner

    async def take(self, jobs: JobClient, model_id: str) -> None:
        """Take all names and aliases of a model."""
        try:
            await take_names(jobs.redis, model_id)
        except (RedisError, OSError):
            raise _away() from None
        await asyncio.to_thread(self._copy.change, lambda known: known.unnamed(model_id))

    async def give_alias(self, jobs: JobClient, name: str, alias: ModelAlias) -> None:
        """Give a model an alias, which may have been another one's. Raises Conflict for one of the file."""
        self._check(name)
        try:
            await give_aliases(jobs.redis, {name: alias})
        except (RedisError, OSError):
            raise _away() from None
        await asyncio.to_thread(self._copy.change, lambda known: known.aliased(name, alias))

    async def take_alias(self, jobs: JobClient, name: str) -> None:
        """Raises Conflict for one of the file."""
        self._check(name)
        try:
            await take_alias(jobs.redis, name)
        except (RedisError, OSError):
            raise _away() from None
        await asyncio.to_thread(self._copy.change, lambda known: known.unaliased(name))

    def _check(self, name: str) -> None:
        if name in self._file.read():
            raise Conflict(
                f"The name '{name}' is in the file of aliases, ALIAS_FILE: change it there.", param="model"
            )


def _away() -> ServiceUnavailable:
    return ServiceUnavailable("The job queue is out of reach.", retry_after=2)
