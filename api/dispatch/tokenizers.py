"""Asks the tokenizer of a model for a request, without a job: a worker answers beside its queues."""

from typing import TypeVar

from starlette.requests import Request

from api.http.context import jobs_of
from jobs.errors import ModelNotFound
from jobs.questions import Answer, Asked, ask
from mlxq.catalog import ModelRef

A = TypeVar("A", bound=Answer)


async def ask_tokenizer(request: Request, ref: ModelRef, asked: Asked, answer: type[A]) -> A:
    """Raises ModelNotFound for a model that is not installed, what the worker says, and ServiceUnavailable."""
    if not ref.installed:
        raise ModelNotFound(f"The model '{ref.id}' is not installed.", param="model")
    jobs = jobs_of(request)
    return await ask(jobs.redis, jobs.bus, ref.id, asked, answer)
