"""The dialect of llama.cpp's server: its error object, and the model of requests that name none."""

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from api.http.answers.sse import data_frame
from api.http.routes.dialect import Dialect
from jobs.errors import ContextLengthExceeded, MlxqError
from mlxq.catalog.aliases import DEFAULT

#: llama.cpp's server has one model, so that its clients need not name it.
ModelName = Annotated[str, Field(min_length=1)]
USUAL_MODEL = DEFAULT

_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "unavailable_error",
    501: "not_supported_error",
    503: "unavailable_error",
}
#: Characters that a client is told of an error.
_LONGEST_MESSAGE = 2_000


class LlamaErrorObject(TypedDict):
    """`code` is the status."""

    code: int
    message: str
    type: str


class LlamaError(TypedDict):
    error: LlamaErrorObject


class LlamaCpp(Dialect):
    name = "llamacpp"
    error_type = LlamaError

    def error_body(self, error: MlxqError, request_id: str = "") -> LlamaError:
        usual = "invalid_request_error" if error.status < 500 else "server_error"
        kind = _TYPES.get(error.status, usual)
        if error.code == ContextLengthExceeded.code:
            kind = "exceed_context_size_error"
        return {"error": {"code": error.status, "message": error.message[:_LONGEST_MESSAGE], "type": kind}}

    def error_frame(self, error: MlxqError) -> bytes:
        """How a stream that has begun fails."""
        return data_frame(self.error_body(error))


LLAMACPP = LlamaCpp()
