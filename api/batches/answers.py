"""Writes the outcome of a batch's request from its ended job, as its own route would answer it."""

import asyncio
from collections.abc import Mapping
from typing import Any

import orjson
from fastapi import FastAPI

from api.batches.batching import Batching
from api.dispatch.batch_dialect import Line, Outcome
from api.dispatch.renderers import Answered, Renderers
from api.http.context import Context
from jobs.batches import Asked
from jobs.errors import JobCancelled, JobExpired, MlxqError
from jobs.info import JobInfo
from jobs.results import EmbeddingResult, ImageResult, Result, TextResult
from jobs.status import JobStatus


class Answers:
    """Of the requests of one batch."""

    def __init__(self, app: FastAPI, asked: Asked) -> None:
        batching: Batching = app.state.batching
        context: Context = app.state.context
        self.dialect = batching.dialects[asked.dialect]
        self._renderers: Renderers = app.state.renderers
        self._read = context.blobs.read
        self._base = asked.base

    async def of(self, line: Line, info: JobInfo) -> tuple[Outcome, Mapping[str, int], bool]:
        """The outcome of an ended job, the tokens that it took, and whether it leaves files. Raises BlobGone."""
        if info.result is None:
            return self.dialect.failed(line, error_of(info)), {}, False
        renderer = self._renderers.find(info.dialect, info.kind)
        try:
            answered = renderer.answered(info.id, info.meta, info.result, self._base)
        except MlxqError as error:
            return self.dialect.failed(line, error), {}, False

        def body() -> bytes:
            whole = renderer.whole
            return orjson.dumps(renderer.body(answered) if whole is None else whole(answered, self._read))

        slow = renderer.slow or renderer.whole is not None
        text = await asyncio.to_thread(body) if slow else body()
        return self.dialect.completed(line, text), _tokens(answered), _has_files(answered)


def error_of(info: JobInfo) -> MlxqError:
    """Why a job has no result."""
    match info.status:
        case JobStatus.CANCELLED:
            return JobCancelled("The job was cancelled.")
        case JobStatus.EXPIRED:
            return JobExpired("The job was not started in time.")
        case _:
            return info.error or MlxqError("The job failed.")


def _has_files(answered: Answered[Any, Any]) -> bool:
    return isinstance(answered.result, Result) and bool(answered.result.files())


def _tokens(answered: Answered[Any, Any]) -> dict[str, int]:
    match answered.result:
        case TextResult(usage=usage):
            return {
                "input": usage.prompt_tokens,
                "cached": usage.cached_tokens,
                "output": usage.completion_tokens,
                "reasoning": usage.reasoning_tokens,
            }
        case EmbeddingResult(usage=counted):
            return {"input": counted.prompt_tokens}
        case ImageResult(usage=made):
            return {"input": made.input_tokens, "output": made.output_tokens}
        case _:
            return {}
