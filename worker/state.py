"""Publishes what a worker is and has: a document in Redis that expires with its leases. The API reads it."""

from itertools import chain

import redis

from jobs import keys
from jobs.gate import LEASE
from jobs.kinds import Category
from jobs.worker_state import WorkerState


def publish(connection: redis.Redis, state: WorkerState) -> None:
    """Write the document, and why models did not load."""
    with connection.pipeline(transaction=False) as pipe:
        pipe.set(keys.worker_state(state.name), state.encode(), ex=int(LEASE))
        pipe.expire(keys.inventory(state.name), int(LEASE))
        pipe.sadd(keys.WORKER_STATES, state.name)
        if state.rest is not None:
            pipe.set(keys.RESTING, state.name, ex=int(LEASE))
        for slot in chain.from_iterable(state.slots.values()):
            if slot.model and slot.error:
                pipe.hset(keys.MODEL_ERRORS, slot.model, slot.error)
            elif slot.model and slot.state == "loaded":
                pipe.hdel(keys.MODEL_ERRORS, slot.model)
        pipe.execute()


def withdraw(connection: redis.Redis, name: str) -> None:
    """Delete what a worker that ends has published."""
    with connection.pipeline(transaction=False) as pipe:
        pipe.delete(keys.worker_state(name), keys.inventory(name))
        pipe.srem(keys.WORKER_STATES, name)
        for category in Category:
            pipe.hdel(keys.machines(category), name)
        pipe.execute()
