"""Names that users gave to models: those in Redis, which all machines share, and a copy on this machine's disk.

The copy serves settings that name a model so, and a Redis that was emptied. It knows no model.
"""

import asyncio

from redis.exceptions import RedisError

from config.settings import Settings
from jobs.client import JobClient
from jobs.errors import ServiceUnavailable
from jobs.model_names import give_names, given_names, take_names
from mlxq.catalog.records import Records


class ModelNames:
    """One per application."""

    def __init__(self, settings: Settings) -> None:
        self._copy = Records(settings.data_dir)

    async def read(self, jobs: JobClient) -> dict[str, str]:
        """Names and the ids of their models; while Redis is away those of the copy."""
        copied = self._copy.read().names
        try:
            return await given_names(jobs.redis) or await give_names(jobs.redis, copied)
        except (RedisError, OSError):
            return copied

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
        """Take all names of a model."""
        try:
            await take_names(jobs.redis, model_id)
        except (RedisError, OSError):
            raise _away() from None
        await asyncio.to_thread(self._copy.change, lambda known: known.unnamed(model_id))


def _away() -> ServiceUnavailable:
    return ServiceUnavailable("The job queue is out of reach.", retry_after=2)
