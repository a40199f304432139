"""Traces of requests, where the environment asks for them. It knows when there are any, `otel.py` what they hold.

Without them nothing of OpenTelemetry is imported, and no request does more than to look whether there are any.
"""

import logging
from typing import TYPE_CHECKING

from config.settings import Settings
from jobs.errors import MlxqError
from jobs.results import Result

if TYPE_CHECKING:
    from jobs.consumer.execution import Execution
    from jobs.tracing.otel import Spans

log = logging.getLogger(__name__)

_spans: "Spans | None" = None


def start(settings: Settings, process: str) -> None:
    """Make traces in this process (`api`, `worker`) from now on, if they are wanted and can be made."""
    global _spans
    if _spans is not None or not settings.traces:
        return
    try:
        from jobs.tracing.otel import Spans

        _spans = Spans(process, content=settings.traced_content)
    except ModuleNotFoundError as error:
        log.warning("there are no traces: `pip install 'mlxq[otel]'` brings %s", error.name)


def stop() -> None:
    """Send what is left. A collector that does not answer is not waited for."""
    global _spans
    ended, _spans = _spans, None
    if ended is not None:
        ended.close()


def execution_ended(execution: "Execution", result: Result | None, error: MlxqError | None) -> None:
    """Make the spans of an execution that has ended now. What is wrong with them hurts nothing else."""
    if _spans is not None:
        try:
            _spans.execution(execution, result, error)
        except Exception:
            log.exception("the spans of job %s could not be made", execution.claim.job_id)


def spans() -> "Spans | None":
    """What makes spans; None: there are no traces."""
    return _spans
