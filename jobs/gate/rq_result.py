"""RQ's record of how a job ended, as its tools read it. It knows the layout (`rq.results.Result.serialize`)."""

import base64
import zlib
from typing import Any

#: RQ's `Result.Type`.
SUCCESSFUL, FAILED, STOPPED = 1, 2, 3


def result_fields(
    kind: int, worker: str, execution_id: str, *, return_value: bytes | None = None, exc_string: str = ""
) -> list[Any]:
    """A Result, its value in JSON, as the flat field list of its stream entry."""
    fields: list[Any] = ["type", kind, "worker_name", worker]
    if execution_id:
        fields += ["execution_id", execution_id]
    if return_value is not None:
        fields += ["return_value", base64.b64encode(return_value)]
    if exc_string:
        fields += ["exc_string", base64.b64encode(zlib.compress(exc_string.encode()))]
    return fields
