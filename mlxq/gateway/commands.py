"""Which commands to workers a joined one is told: those for all, and those about jobs that it has.

The ids of jobs are secrets: who has one may read the job.
"""

from collections.abc import Collection

import redis.asyncio

from jobs import keys
from jobs.commands import SHUTDOWN

#: Their argument is the id of a job.
_OF_JOBS = ("cancel", "linger", "return")


async def pass_on(client: redis.asyncio.Redis, workers: Collection[str], text: str) -> None:
    """Tell joined workers. A server that ends leaves them waiting for its return. Raises RedisError."""
    verb, _, argument = text.partition(" ")
    if verb == SHUTDOWN:
        return
    told = list(workers)
    if verb in _OF_JOBS:
        name = str(await client.hget(keys.job(argument), "worker_name") or "")
        told = [worker for worker in workers if name.rpartition(".")[0] == worker]
    for worker in told:
        await client.publish(keys.commands(worker), text)
