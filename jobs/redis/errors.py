"""What Redis' errors mean for a caller of the API."""

from collections.abc import Iterator
from contextlib import contextmanager

from redis.exceptions import RedisError

from jobs.errors import RedisDenied, ServiceUnavailable, disk_full
from jobs.redis.permissions import READ_ONLY, is_denied


@contextmanager
def told() -> Iterator[None]:
    """Raises MlxqError in the place of what Redis raises."""
    try:
        yield
    except (RedisError, OSError) as error:
        if "MISCONF" in str(error):
            raise disk_full() from error
        if READ_ONLY in str(error):
            raise RedisDenied(
                "The server's Redis is a replica, which takes nothing.", retry_after=2
            ) from error
        if is_denied(error):
            raise RedisDenied(
                "The server's Redis user lacks a permission that mlxq needs; /health says which.",
                retry_after=30,
            ) from error
        if str(error).startswith("OOM ") or " -OOM " in str(error):
            raise no_memory() from error
        raise ServiceUnavailable(
            "The job queue is out of reach. Try again in a moment.", retry_after=2
        ) from error


def no_memory() -> ServiceUnavailable:
    return ServiceUnavailable("The queue is out of memory. Try again later.", retry_after=30)
