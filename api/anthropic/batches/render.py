"""Writes Anthropic's batch object, and the lines of its results."""

from datetime import UTC, datetime

import orjson

from api.anthropic.batches.schema import MessageBatch
from api.anthropic.dialect import ANTHROPIC
from api.dispatch.batch_dialect import Line, Outcome, Unanswered
from jobs.batches import Batch, BatchStatus
from jobs.errors import MlxqError


class AnthropicBatches:
    """All outcomes are in one file."""

    name = ANTHROPIC.name

    def completed(self, line: Line, body: bytes) -> Outcome:
        result = {"type": "succeeded", "message": orjson.Fragment(body)}
        return Outcome("completed", "output", _result(line, result))

    def failed(self, line: Line, error: MlxqError) -> Outcome:
        result = {"type": "errored", "error": ANTHROPIC.error_body(error, line.job_id)}
        return Outcome("failed", "output", _result(line, result))

    def unanswered(self, line: Line, why: Unanswered) -> Outcome:
        word = "canceled" if why == "cancelled" else why
        return Outcome(why, "output", _result(line, {"type": word}))


def _result(line: Line, result: object) -> bytes:
    return orjson.dumps({"custom_id": line.custom_id, "result": result}) + b"\n"


def message_batch(batch: Batch, base: str) -> MessageBatch:
    """`base` is the server's address as the client knows it; it ends with a slash."""
    times, ended = batch.times, batch.status.ended
    cancelling = batch.status is BatchStatus.CANCELLING
    return {
        "id": batch.id,
        "type": "message_batch",
        "processing_status": "ended" if ended else "canceling" if cancelling else "in_progress",
        "request_counts": {
            "processing": batch.left,
            "succeeded": batch.count("completed"),
            "errored": batch.count("failed"),
            "canceled": batch.count("cancelled"),
            "expired": batch.count("expired"),
        },
        "created_at": _time(batch.asked.created_at),
        "expires_at": _time(batch.asked.expires_at),
        "ended_at": _time(times[batch.status]) if ended else None,
        "cancel_initiated_at": _time(times["cancelling"]) if "cancelling" in times else None,
        "archived_at": None,
        "results_url": f"{base}v1/messages/batches/{batch.id}/results" if ended else None,
    }


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
