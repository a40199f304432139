"""A worker in the process of an application's tests. With the app as a test client, no server is needed."""

from collections.abc import Iterator
from contextlib import contextmanager

# Imported here, by the caller's thread: a library that another thread is still importing is half there for it.
import worker.engines.llm.chat  # noqa: F401
from config.settings import Settings
from worker.host import WorkerHost


@contextmanager
def in_process_worker(settings: Settings) -> Iterator[WorkerHost]:
    """A worker on threads of this process while the body runs. It waits for the Redis of these settings."""
    host = WorkerHost(settings)
    host.start()
    try:
        yield host
    finally:
        host.drain()
