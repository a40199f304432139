"""The Redis of REDIS_URL, which somebody else runs: can it be reached, and is it new enough?"""

import redis

from config.settings import Settings
from jobs.redis_binary import OLDEST, RedisUnusableError
from jobs.supervisor import Doorbell, say


def wait_until_reachable(settings: Settings) -> bool:
    """Say whether the Redis of REDIS_URL answers, and when it does; False when stopped before.

    Raises RedisUnusableError if it is too old.
    """
    said = False
    with Doorbell() as bell:
        while True:
            try:
                with redis.Redis.from_url(settings.redis_url, socket_timeout=2) as client:
                    version = str(client.info("server")["redis_version"])
                break
            except (redis.RedisError, ValueError, OSError) as error:
                if not said:
                    say(f"REDIS_URL: {settings.redis_label} cannot be reached: {error}; waiting for it")
                said = True
                if bell.sleep(1):
                    return False
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
        raise RedisUnusableError(f"REDIS_URL: {settings.redis_label} is Redis {version}; 6.2 is needed")
    say(f"REDIS_URL: {settings.redis_label} is reachable (Redis {version})")
    return True
