"""The dialect of rerankers: one error that clients of Jina (`detail`), Cohere (`message`) and TEI (`error`) read."""

from typing import Literal

from typing_extensions import TypedDict

from api.http.routes.dialect import Dialect
from jobs.errors import MlxqError

ErrorType = Literal["Validation", "Overloaded", "Unhealthy", "Backend"]

_TYPES: dict[int, ErrorType] = {429: "Overloaded", 503: "Unhealthy"}
#: Characters that a client is told of an error.
_LONGEST_MESSAGE = 2_000


class RerankError(TypedDict):
    error: str
    error_type: ErrorType
    message: str
    detail: str


class Rerank(Dialect):
    name = "rerank"
    error_type = RerankError

    def error_body(self, error: MlxqError, request_id: str = "") -> RerankError:
        said = error.message[:_LONGEST_MESSAGE]
        usual: ErrorType = "Validation" if error.status < 500 else "Backend"
        return {
            "error": said,
            "error_type": _TYPES.get(error.status, usual),
            "message": said,
            "detail": said,
        }


RERANK = Rerank()
