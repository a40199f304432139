"""OpenAI's dialect: its error object, with FastAPI's `detail` beside it, and the ends of its streams."""

from typing_extensions import TypedDict

from api.http.answers.sse import data_frame
from api.http.routes.dialect import Dialect, told
from jobs.errors import MlxqError

#: The last frame of a stream of text.
DONE = b"data: [DONE]\n\n"


class ErrorObject(TypedDict):
    """OpenAI's error."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(TypedDict):
    """OpenAI's body of an error, and FastAPI's `detail` beside it."""

    error: ErrorObject
    detail: str


class OpenAi(Dialect):
    """Also of dialects that have no error shape of their own."""

    error_type = ErrorBody

    def __init__(self, name: str) -> None:
        self.name = name

    def error_body(self, error: MlxqError, request_id: str = "") -> ErrorBody:
        message = told(error.message)
        return {
            "error": {
                "message": message,
                "type": error.type,
                "param": error.param,
                "code": error.code,
            },
            "detail": message,
        }

    def error_frame(self, error: MlxqError) -> bytes:
        """How a stream that has begun fails: the SDKs raise APIError for it."""
        return data_frame(self.error_body(error))


OPENAI = OpenAi("openai")
