"""Writes OpenAI's batch object, and the lines of its output and error files."""

from typing import cast

import orjson

from api.dispatch.batch_dialect import Line, Outcome, Unanswered
from api.openai.batches.schema import BatchErrors, BatchObject
from api.openai.dialect import OPENAI
from jobs.batches import Batch
from jobs.errors import MlxqError

#: Codes and messages of requests that were not answered.
_UNANSWERED = {
    "expired": (
        "batch_expired",
        "This request could not be executed before the completion window expired.",
    ),
    "cancelled": ("batch_cancelled", "This request was not executed: the batch was cancelled."),
}


class OpenAiBatches:
    """Answers go to the output file, what has none to the error file."""

    name = OPENAI.name

    def completed(self, line: Line, body: bytes) -> Outcome:
        return Outcome("completed", "output", _answered(line, 200, body))

    def failed(self, line: Line, error: MlxqError) -> Outcome:
        body = orjson.dumps(OPENAI.error_body(error))
        return Outcome("failed", "error", _answered(line, OPENAI.error_status(error), body))

    def unanswered(self, line: Line, why: Unanswered) -> Outcome:
        code, message = _UNANSWERED[why]
        data = {
            "id": line.id,
            "custom_id": line.custom_id,
            "response": None,
            "error": {"code": code, "message": message},
        }
        return Outcome(why, "error", orjson.dumps(data) + b"\n")


def _answered(line: Line, status: int, body: bytes) -> bytes:
    data = {
        "id": line.id,
        "custom_id": line.custom_id,
        "response": {"status_code": status, "request_id": line.job_id, "body": orjson.Fragment(body)},
        "error": None,
    }
    return orjson.dumps(data) + b"\n"


def batch_object(batch: Batch) -> BatchObject:
    asked, times, tokens = batch.asked, batch.times, batch.tokens
    taken, given = tokens.get("input", 0), tokens.get("output", 0)
    errors: BatchErrors | None = None
    if batch.problems:
        told = [
            {"code": each.code, "line": each.line, "message": each.message, "param": each.param}
            for each in batch.problems
        ]
        errors = cast(BatchErrors, {"object": "list", "data": told})
    return {
        "id": batch.id,
        "object": "batch",
        "endpoint": asked.endpoint,
        "errors": errors,
        "input_file_id": asked.input_file,
        "completion_window": asked.window,
        "status": batch.status.value,
        "output_file_id": batch.files.get("output"),
        "error_file_id": batch.files.get("error"),
        "created_at": asked.created_at,
        "in_progress_at": times.get("in_progress"),
        "expires_at": asked.expires_at,
        "finalizing_at": times.get("finalizing"),
        "completed_at": times.get("completed"),
        "failed_at": times.get("failed"),
        "expired_at": times.get("expired"),
        "cancelling_at": times.get("cancelling"),
        "cancelled_at": times.get("cancelled"),
        "request_counts": {
            "total": batch.total,
            "completed": batch.count("completed"),
            "failed": batch.count("failed"),
        },
        "usage": {
            "input_tokens": taken,
            "input_tokens_details": {"cached_tokens": tokens.get("cached", 0)},
            "output_tokens": given,
            "output_tokens_details": {"reasoning_tokens": tokens.get("reasoning", 0)},
            "total_tokens": taken + given,
        },
        "metadata": asked.metadata,
    }
