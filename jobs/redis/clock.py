"""The time by Redis' clock, which is the same for all machines: one's own may be wrong by days.

This module knows how far the clock of this process is off. It does not know what times are used for.
"""

import time
from datetime import UTC, datetime

import redis
import redis.asyncio

#: Seconds by which clocks may differ that are set by the network: less is no difference.
_SLACK = 1.0


class SharedClock:
    """`learn` when Redis has told its time."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def now(self) -> float:
        """Unix seconds."""
        return time.time() + self._ahead

    def iso(self) -> str:
        """Now in RQ's timestamp format."""
        return iso_of(self.now())

    def learn(self, asked: float, told: float, answered: float) -> None:
        """Redis `told` this time between two times of this machine."""
        if asked - _SLACK <= told <= answered + _SLACK:
            self._ahead = 0.0
        elif asked <= answered:
            self._ahead = told - (asked + answered) / 2


def iso_of(seconds: float) -> str:
    """Unix seconds in RQ's timestamp format."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


#: That of this process.
CLOCK = SharedClock()


def set_clock(connection: redis.Redis) -> None:
    """Ask Redis for its time. Raises RedisError."""
    asked = time.time()
    seconds, microseconds = connection.time()
    CLOCK.learn(asked, seconds + microseconds / 1e6, time.time())


async def set_clock_async(connection: redis.asyncio.Redis) -> None:
    """Ask Redis for its time. Raises RedisError."""
    asked = time.time()
    seconds, microseconds = await connection.time()
    CLOCK.learn(asked, seconds + microseconds / 1e6, time.time())
