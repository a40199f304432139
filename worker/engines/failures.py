"""Turns errors of libraries into errors of a job. This module knows no engine."""

import logging

from jobs.errors import EngineFailure, MlxqError, disk_full, is_disk_full

log = logging.getLogger(__name__)


def failure_of(error: Exception, event: str) -> MlxqError:
    """The error for the client. An unexpected one is logged with `event`, and its text stays in the log."""
    if isinstance(error, MlxqError):
        return error
    if is_disk_full(error):
        return disk_full()
    log.error("%s", event, exc_info=error)
    return EngineFailure(f"The model failed on this request ({type(error).__name__}).")
