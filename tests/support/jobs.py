"""A job as the API would hand it in."""

from typing import Any

from jobs.gate import Ttl
from jobs.request import Category, JobRequest, Kind, new_job_id

#: Long enough for any test.
TTL = Ttl(result=100, events=50)


def request(**changes: Any) -> JobRequest:
    fields: dict[str, Any] = {
        "id": new_job_id(Kind.CHAT),
        "category": Category.LLM,
        "kind": Kind.CHAT,
        "model": "org/tiny",
        "payload": {"messages": [{"role": "user", "content": "héllo"}]},
        "timeout": 30.0,
        "meta": {"model": "tiny"},
    }
    return JobRequest(**{**fields, **changes})
