"""The inventories of workers in Redis: each worker writes its own, and the API reads them all.

It knows the layout: a hash of a worker has a card for each model, by its id, and the rest under an empty name. It
expires with the worker's leases. What is in a card it does not know.
"""

import logging
from collections.abc import Collection
from typing import Any

import msgspec
import redis
import redis.asyncio

from jobs import keys
from jobs.gate import LEASE
from jobs.models.card import Inventory, ModelCard, RootContents

log = logging.getLogger(__name__)

#: Models of a worker that are published, and bytes of a card.
MOST_CARDS, LONGEST_CARD = 4096, 16 << 10
#: The field of what is no model.
_ROOTS = ""

_encoder = msgspec.json.Encoder(order="deterministic")
_cards = msgspec.json.Decoder(ModelCard)
_roots = msgspec.json.Decoder(RootContents)


class InventoryWriter:
    """The hash of one worker. It writes what has changed since the last time. Used by one thread."""

    def __init__(self, connection: redis.Redis, worker: str) -> None:
        self._redis = connection
        self._key = keys.inventory(worker)
        self._written: dict[str, bytes] = {}
        self._number = 0

    @property
    def revision(self) -> str:
        """Of what is written; empty before anything is."""
        return str(self._number or "")

    def write(self, inventory: Inventory) -> bool:
        """Write it. Returns whether anything has changed. Raises RedisError."""
        wanted = _fields(inventory)
        if not self._redis.exists(self._key):
            self._written = {}
        changed = {name: card for name, card in wanted.items() if self._written.get(name) != card}
        gone = [name for name in self._written if name not in wanted]
        if not changed and not gone:
            return False
        with self._redis.pipeline(transaction=True) as pipe:
            if gone:
                pipe.hdel(self._key, *gone)
            for name, card in changed.items():
                pipe.hset(self._key, name, card)
            pipe.expire(self._key, int(LEASE))
            pipe.execute()
        self._written = wanted
        self._number += 1
        return True


async def read_inventory(client: redis.asyncio.Redis, worker: str) -> Inventory:
    """What the worker has written. What no worker of this version wrote is left out. Raises RedisError."""
    raw: Any = client
    found: dict[bytes, bytes] = await raw.execute_command(
        "HGETALL", keys.inventory(worker), NEVER_DECODE=True
    )
    cards: dict[str, ModelCard] = {}
    roots = RootContents()
    for name, text in found.items():
        try:
            if name == _ROOTS.encode():
                roots = _roots.decode(text)
            else:
                card = _cards.decode(text)
                cards[card.id] = card
        except (msgspec.DecodeError, RecursionError) as error:
            log.debug("the card of a model can't be read: %s", error)
    return Inventory(cards, roots)


async def holders(client: redis.asyncio.Redis, workers: Collection[str], model: str) -> set[str]:
    """Those of these workers that have a model on their disk. Raises RedisError."""
    names = list(workers)
    async with client.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.hexists(keys.inventory(name), model)
        found = await pipe.execute() if names else []
    return {name for name, has in zip(names, found, strict=True) if has}


async def held_models(client: redis.asyncio.Redis, workers: Collection[str]) -> dict[str, list[str]]:
    """The ids of the models that each of these workers has on its disk. Raises RedisError."""
    names = list(workers)
    async with client.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.hkeys(keys.inventory(name))
        found = await pipe.execute() if names else []
    return {
        name: sorted(model for model in models if model != _ROOTS)
        for name, models in zip(names, found, strict=True)
    }


def _fields(inventory: Inventory) -> dict[str, bytes]:
    """The hash. A card that is too long is left out."""
    found: dict[str, bytes] = {}
    for model_id, card in inventory.cards.items():
        text = _encoder.encode(card)
        if len(text) <= LONGEST_CARD and len(found) < MOST_CARDS:
            found[model_id] = text
    return {**found, _ROOTS: _encoder.encode(inventory.roots)}
