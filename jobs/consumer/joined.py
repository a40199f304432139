"""Workers of other machines that may be gone without having crashed: their machines sleep, or the network is away.

The gateway keeps the list. It does not know jobs.
"""

from collections.abc import Iterable
from typing import Any

import redis

from jobs import keys
from jobs.gate import LastStep
from jobs.redis.clock import CLOCK


def no_fault_of(connection: redis.Redis, queues: Iterable[str]) -> dict[str, LastStep]:
    """A last step without any job for each of these queues of each of them: no job is charged with their loss.

    Raises RedisError.
    """
    found: Any = connection.zrangebyscore(keys.JOINED, CLOCK.now(), "+inf")
    names = [name.decode() for name in found]
    return {f"{name}.{queue}": LastStep() for name in names for queue in queues}
