"""The log line for the end of a job, written once by the process that ends it.

What clients say (app, model) is shortened to a word of visible ASCII; prompts, answers, keys and paths are not in it.
"""

import logging
import re

from jobs.errors import MlxqError
from jobs.request import Claim
from jobs.results import Result
from jobs.status import JobStatus

log = logging.getLogger(__name__)

_LONGEST_WORD = 64
_INVISIBLE = re.compile(r"[^!-~]+")


def log_end(
    job_id: str,
    outcome: str,
    *,
    kind: str = "",
    model: str = "",
    app: str = "",
    waited: float | None = None,
    ran: float | None = None,
    tokens: tuple[int | None, int | None] = (None, None),
    error: MlxqError | None = None,
) -> None:
    """`outcome` is the status that clients see. Times are in seconds; what is not known is left out.

    Failures that are not the client's are warnings.
    """
    facts = {
        "app": word(app),
        "kind": kind,
        # A model may be known by its folder, which is nobody's business.
        "model": word(model.rsplit("/", 1)[-1] if model.startswith("/") else model),
        "waited": None if waited is None else f"{waited:.3f}",
        "ran": None if ran is None else f"{ran:.3f}",
        "tokens_in": tokens[0],
        "tokens_out": tokens[1],
        "status": None if error is None else error.status,
        "code": None if error is None else error.code,
    }
    told = " ".join(f"{name}={value}" for name, value in facts.items() if value not in (None, ""))
    level = logging.WARNING if error is not None and error.status >= 500 else logging.INFO
    log.log(level, "job %s %s: %s", job_id, outcome, told or "-")


def log_execution(claim: Claim, ran: float | None, *, result: Result | None, error: MlxqError | None) -> None:
    """The end of a job that a worker had in hand."""
    outcome = JobStatus.CANCELLED
    if error is not None:
        outcome = JobStatus.FAILED
    elif result is not None:
        outcome = JobStatus.COMPLETED
    log_end(
        claim.job_id,
        outcome,
        kind=claim.kind,
        model=claim.model,
        app=claim.app,
        waited=claim.waited,
        ran=ran,
        tokens=(None, None) if result is None else result.tokens(),
        error=error,
    )


def word(text: str, longest: int = _LONGEST_WORD) -> str:
    """A client's words as one word of a log line."""
    return _INVISIBLE.sub("?", text)[:longest]
