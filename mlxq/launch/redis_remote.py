"""The Redis of REDIS_URL, which somebody else runs: can it be reached, and is it new enough?"""

import sys

import redis

from config.settings import Settings, load_settings
from jobs.redis.permissions import check, is_denied
from mlxq.launch.process import WRONG_SETTING, say
from mlxq.launch.redis_binary import OLDEST, RedisUnusableError
from mlxq.launch.supervisor import SignalWaiter


def _version(client: redis.Redis) -> str | None:
    """None where the user may not ask."""
    try:
        return str(client.info("server")["redis_version"])
    except redis.RedisError as error:
        if is_denied(error):
            return None
        raise


def wait_until_reachable(settings: Settings) -> bool:
    """Say whether the Redis of REDIS_URL answers, and when it does; False when stopped before.

    What its user may not do is said too; the other processes wait until it may. Raises RedisUnusableError if it is
    too old.
    """
    said = False
    with SignalWaiter() as waiter:
        while True:
            try:
                with redis.Redis.from_url(settings.redis_url, socket_timeout=2) as client:
                    version = _version(client)
                    denied = check(client)
                break
            except (redis.RedisError, ValueError, OSError) as error:
                if not said:
                    reason = str(error).removesuffix(".")
                    say(f"REDIS_URL: {settings.redis_label} cannot be reached: {reason}; waiting for it")
                said = True
                if waiter.sleep(1):
                    return False
    if denied:
        say(f"REDIS_URL: {settings.redis_label}: {denied}")
    if version is None:
        say(
            f"REDIS_URL: {settings.redis_label} is reachable; its user may not run INFO: how full it is is not known"
        )
        return True
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
        raise RedisUnusableError(f"REDIS_URL: {settings.redis_label} is Redis {version}; 6.2 is needed")
    say(f"REDIS_URL: {settings.redis_label} is reachable (Redis {version})")
    return True


def unusable() -> int | None:
    """Wait until it can be used; the status to exit with when it cannot, or after a stop."""
    try:
        return None if wait_until_reachable(load_settings()) else 0
    except RedisUnusableError as error:
        say(str(error))
        return WRONG_SETTING


if __name__ == "__main__":
    sys.exit(unusable() or 0)
