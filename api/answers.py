"""From a job to the response that a client of its kind expects, now or when it polls for it later."""

from collections.abc import Callable
from typing import Any

from api.schemas.completion import chat_completion
from jobs.request import Kind

#: (job id, meta, the worker's result) → the body of the response
_Answer = Callable[[str, dict[str, Any], dict[str, Any]], dict[str, Any]]


def _as_it_is(job_id: str, meta: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    return {**result, "job_id": job_id}


_ANSWERS: dict[str, _Answer] = {Kind.CHAT: chat_completion}


def answer(kind: str, job_id: str, meta: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    return _ANSWERS.get(kind, _as_it_is)(job_id, meta, result)
