"""Anthropic's dialect: its error object and the types of errors, `request-id`, and how a stream fails."""

from collections.abc import Mapping
from typing import Literal, NotRequired

from typing_extensions import TypedDict

from api.http.answers.sse import named_frame
from api.http.routes.dialect import Dialect, told
from jobs.errors import ContextLengthExceeded, InvalidRequest, MlxqError

ErrorType = Literal[
    "invalid_request_error",
    "authentication_error",
    "permission_error",
    "not_found_error",
    "request_too_large",
    "rate_limit_error",
    "timeout_error",
    "overloaded_error",
    "api_error",
]

_TYPES: dict[int, ErrorType] = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}
#: Anthropic's status of a server that has too much to do.
_OVERLOADED = 529

#: The code of an error whose message clients read: it stays as it is.
_TOO_LONG = ContextLengthExceeded.code
#: The header that all of Anthropic's clients send.
MARK = b"anthropic-version"


class ErrorDetails(TypedDict):
    """What an SDK can recover from by itself: fields of the request that this server does not have."""

    error_code: str
    unsupported: list[str]


class AnthropicErrorObject(TypedDict):
    type: ErrorType
    message: str
    details: NotRequired[ErrorDetails]


class AnthropicError(TypedDict):
    """Anthropic's body of an error, and the data of an `error` event."""

    type: Literal["error"]
    error: AnthropicErrorObject
    request_id: str | None


class UnsupportedFeature(InvalidRequest):
    """A field that the SDKs leave out when they are told so by its code."""

    def __init__(self, field: str, code: str) -> None:
        super().__init__(f"'{field}' is not supported: send the whole conversation.", param=field, code=code)


class Anthropic(Dialect):
    name = "anthropic"
    error_type = AnthropicError
    base = "/anthropic"
    mark = (MARK, b"2023-06-01")

    def error_body(self, error: MlxqError, request_id: str = "") -> AnthropicError:
        said = error.message
        if error.param and error.param not in said and error.status == 400 and error.code != _TOO_LONG:
            said = f"{error.param}: {said}"
        shown: AnthropicErrorObject = {"type": _type(error.status), "message": told(said)}
        if isinstance(error, UnsupportedFeature):
            shown["details"] = {"error_code": str(error.code), "unsupported": [str(error.param)]}
        return {"type": "error", "error": shown, "request_id": request_id or None}

    def error_status(self, error: MlxqError) -> int:
        return _OVERLOADED if error.status == 503 else error.status

    def error_headers(self, error: MlxqError, request_id: str) -> Mapping[str, str]:
        return {"request-id": request_id} if request_id else {}

    def error_frame(self, error: MlxqError, request_id: str = "") -> bytes:
        """How a stream that has begun fails."""
        return named_frame("error", self.error_body(error, request_id))


def _type(status: int) -> ErrorType:
    usual: ErrorType = "invalid_request_error" if status < 500 else "api_error"
    return _TYPES.get(status, usual)


ANTHROPIC = Anthropic()
