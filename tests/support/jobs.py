"""A job as the API would hand it in, and a Redis that is nearly full."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis

from jobs import keys
from jobs.gate import Ttl
from jobs.kinds import Category, Kind
from jobs.meta import Meta
from jobs.payloads import ChatPayload
from jobs.request import JobRequest, new_job_id
from jobs.service_class import CLASSES

#: Long enough for any test.
TTL = Ttl(result=100, events=50)


def request(**changes: Any) -> JobRequest:
    fields: dict[str, Any] = {
        "id": new_job_id(Kind.CHAT),
        "queue": Category.LLM,
        "kind": Kind.CHAT,
        "model": "org/tiny",
        "payload": {"messages": [{"role": "user", "content": "héllo"}]},
        "timeout": 30.0,
        "meta": Meta(model="tiny"),
    }
    fields |= changes
    if isinstance(fields["payload"], dict):
        told = fields["payload"]
        fields["payload"] = ChatPayload(messages=told.get("messages", [told]))
    return JobRequest(**fields)


def waiting(connection: redis.Redis, queue: str = "llm") -> list[str]:
    """The jobs that wait to be taken, in the order in which they will be."""
    found: list[str] = []
    for each in CLASSES:
        lines: Any = connection.zrange(keys.lines(queue, each), 0, -1)
        for app in lines:
            ids: Any = connection.lrange(keys.line(queue, each, app.decode()), 0, -1)
            found += [job_id.decode() for job_id in ids]
    return found


def counted_memory(connection: redis.Redis) -> int:
    """Bytes that count against Redis' maxmemory now."""
    memory: Any = connection.info("memory")
    return int(memory["used_memory"]) - int(memory["mem_not_counted_for_evict"])


@contextmanager
def memory_of(connection: redis.Redis, more: int) -> Iterator[None]:
    """Redis may have `more` bytes than it has now; fewer where it is negative."""
    before: Any = connection.config_get("maxmemory")
    connection.config_set("maxmemory", counted_memory(connection) + more)
    try:
        yield
    finally:
        connection.config_set("maxmemory", before["maxmemory"])
